using Dma.Machine;

namespace Dma.Properties;

/// <summary>The page request interface of a device: groups, capacity, responses, and what software is told (PCI Express, page request interface).</summary>
public sealed class PageRequestInterfaceLaws
{
    private static readonly Pasid s_pasid = new(7);

    [Fact]
    public void A_group_is_answered_once_with_what_the_system_says()
    {
        Bench bench = new(capacity: 8);
        bench.Ask(3, s_pasid);
        bench.Ask(2, null);
        Assert.Equal([(0, false), (0, false), (0, true), (1, false), (1, true)], bench.Sent.Select(sent => (sent.Group, sent.IsLast)));
        Assert.Equal(5u, bench.Capability.Outstanding);
        bench.Answer(1, null, PageResponseCode.InvalidRequest);
        bench.Answer(0, s_pasid, PageResponseCode.Success);
        Assert.Equal([(1, PageResponseCode.InvalidRequest), (0, PageResponseCode.Success)], bench.Ended);
        Assert.Equal((0u, 0), (bench.Capability.Outstanding, bench.Status & 3));

        // A second answer belongs to nothing, and says so to software alone.
        bench.Answer(0, s_pasid, PageResponseCode.Success);
        Assert.Equal((2, 2), (bench.Ended.Count, bench.Status & 3));
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(4u)]
    [InlineData(600u)]
    public void No_more_requests_are_under_way_than_software_allows(uint allowed)
    {
        Bench bench = new(capacity: 550, allowed);
        int room = (int)Math.Min(allowed, Math.Min(550u, PageRequestInterface.Groups));
        for (int at = 0; at < room; at++)
            Assert.True(bench.TryAsk(1, null));
        Assert.False(bench.TryAsk(1, null));
        Assert.Equal(room, bench.Sent.Count);
        bench.Answer(bench.Sent[0].Group, null, PageResponseCode.Success);
        Assert.False(room < 4 && bench.TryAsk(2, null));
        Assert.True(bench.TryAsk(1, null));
    }

    [Theory]
    [InlineData(PageResponseCode.Failure)]
    [InlineData((PageResponseCode)2)]
    [InlineData((PageResponseCode)14)]
    public void A_failure_ends_all_groups_and_turns_the_interface_off(PageResponseCode code)
    {
        Bench bench = new(capacity: 8);
        bench.Ask(1, s_pasid);
        bench.Ask(1, null);
        bench.Answer(0, s_pasid, code);
        Assert.Equal([(0, PageResponseCode.Failure), (1, PageResponseCode.Failure)], bench.Ended);
        Assert.Equal((false, true, 1), (bench.Capability.IsEnabled, bench.Capability.Stopped, bench.Status & 3));
        Assert.False(bench.TryAsk(1, null));

        // What still comes is expected by nobody, and is no error.
        bench.Answer(1, null, PageResponseCode.Success);
        Assert.Equal((2, 1), (bench.Ended.Count, bench.Status & 3));

        // Software takes note, resets, and lets it begin anew.
        bench.Enable(8);
        Assert.True(bench.TryAsk(1, null));
    }

    [Fact]
    public void An_interface_that_is_turned_off_stops_when_the_last_group_is_answered()
    {
        Bench bench = new(capacity: 8);
        bench.Ask(2, s_pasid);
        bench.Function.Configuration.Write(bench.At + 4, 2, 0);
        Assert.False(bench.Capability.Stopped);
        Assert.False(bench.TryAsk(1, null));
        bench.Answer(0, s_pasid, PageResponseCode.Success);
        Assert.True(bench.Capability.Stopped);
        Assert.Equal([(0, PageResponseCode.Success)], bench.Ended);
    }

    [Fact]
    public void A_reset_ends_what_is_under_way_as_a_failure()
    {
        Bench bench = new(capacity: 8);
        bench.Ask(2, s_pasid);
        bench.Function.ResetFunction();
        Assert.Equal([(0, PageResponseCode.Failure)], bench.Ended);
        bench.Answer(0, s_pasid, PageResponseCode.Success);
        Assert.Single(bench.Ended);
    }

    [Fact]
    public void A_response_for_another_PASID_is_none_for_the_group()
    {
        Bench bench = new(capacity: 8);
        bench.Ask(1, s_pasid);
        bench.Answer(0, new(8), PageResponseCode.Success);
        Assert.Equal((0, 2), (bench.Ended.Count, bench.Status & 3));

        // One that leaves the PASID out will do, where the device does not insist on it.
        bench.Answer(0, null, PageResponseCode.Success);
        Assert.Single(bench.Ended);
    }

    [Fact]
    public void An_answer_may_be_quicker_than_the_call()
    {
        Bench bench = new(capacity: 2) { AnswersAtOnce = true };
        for (int at = 0; at < 1000; at++)
            Assert.True(bench.TryAsk(2, s_pasid));
        Assert.Equal((1000, 0u, 0), (bench.Ended.Count, bench.Capability.Outstanding, bench.Status & 3));
    }

    /// <summary>A function with the capability, behind a port that keeps what is sent.</summary>
    private sealed class Bench : IDmaPort
    {
        private readonly PageRequestInterface _interface;

        public Bench(uint capacity, uint? allowed = null)
        {
            Function = new(capacity);
            _interface = new(this, Function.Capability);
            Enable(allowed ?? capacity);
        }

        public PagingFunction Function { get; }

        public PageRequestCapability Capability => Function.Capability;

        public int At => Capability.Offset;

        public int Status => (int)Function.Configuration.Read(At + 6, 2);

        public bool AnswersAtOnce { get; init; }

        public List<PageRequest> Sent { get; } = [];

        public List<(int Group, PageResponseCode Code)> Ended { get; } = [];

        public SourceId Source => default;

        public void Enable(uint allowed)
        {
            Function.Configuration.Write(At + 4, 2, 2);
            Function.Configuration.Write(At + 6, 2, 3);
            Function.Configuration.Write(At + 12, 4, allowed);
            Function.Configuration.Write(At + 4, 2, 1);
        }

        public void Ask(int pages, Pasid? pasid) => Assert.True(TryAsk(pages, pasid));

        public bool TryAsk(int pages, Pasid? pasid)
        {
            int group = -1;
            int before = Sent.Count;
            Iova[] addresses = [.. Enumerable.Range(0, pages).Select(page => new Iova((ulong)page << 12))];
            bool isAsked = _interface.TryAsk(addresses, true, false, new() { Pasid = pasid }, code => Ended.Add((group < 0 ? Sent[^1].Group : group, code)));
            if (isAsked)
                group = Sent[before].Group;
            Assert.Equal(isAsked ? before + pages : before, Sent.Count);
            return isAsked;
        }

        public void Answer(int group, Pasid? pasid, PageResponseCode code) => _interface.Respond(new(group, pasid, code));

        public void RequestPage(in PageRequest request)
        {
            Sent.Add(request);
            if (AnswersAtOnce && request.IsLast)
                Answer(request.Group, request.Attributes.Pasid, PageResponseCode.Success);
        }

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) => DmaStatus.Unclaimed;

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default) => DmaStatus.Unclaimed;
    }

    private sealed class PagingFunction : PciFunction
    {
        public PagingFunction(uint capacity)
            : base(new(0x1234, 0x5678, 0xFF_0000))
        {
            _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
            Capability = AddCapability(new PageRequestCapability(capacity));
        }

        public PageRequestCapability Capability { get; }

        public override ulong ReadBar(int bar, ulong offset, int width) => 0;

        public override void WriteBar(int bar, ulong offset, int width, ulong value)
        {
        }

        protected override void OnReset()
        {
        }
    }
}
