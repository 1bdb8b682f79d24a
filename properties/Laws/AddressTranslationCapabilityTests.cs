using Dma.Machine;

namespace Dma.Properties;

/// <summary>What the bits of the page request and PASID capabilities let a device do.</summary>
public sealed class AddressTranslationCapabilityTests : IDisposable
{
    private const int Control = 0x104;
    private const int Status = 0x106;
    private const int Allocation = 0x10C;
    private const uint Enable = 1;
    private const uint Reset = 2;
    private const uint Stopped = 1 << 8;

    private static readonly SourceId Place = new(0, 3, 0);
    private readonly PciWorld _world = new();

    public void Dispose() => _world.Dispose();

    [Fact]
    public void Page_requests_are_counted_against_what_software_allows_and_the_device_can()
    {
        PageRequestCapability requests = Add(new PageRequestCapability(capacity: 3));
        Assert.False(requests.TryIssue());
        _world.Write(Place, Control, 2, Enable);
        Assert.False(requests.TryIssue());
        _world.Write(Place, Allocation, 4, 2);
        Assert.Equal([true, true, false], Issue(requests, 3));
        _world.Write(Place, Allocation, 4, uint.MaxValue);
        Assert.Equal([true, false], Issue(requests, 2));
        requests.Complete(2);
        Assert.Equal((1u, true), (requests.Outstanding, requests.TryIssue()));
    }

    [Fact]
    public void An_interface_that_was_turned_off_has_stopped_when_all_is_answered()
    {
        PageRequestCapability requests = Add(new PageRequestCapability());
        Assert.Equal(Stopped, _world.Read(Place, Status, 2));
        _world.Write(Place, Allocation, 4, 8);
        _world.Write(Place, Control, 2, Enable);
        Assert.Equal(0u, _world.Read(Place, Status, 2));
        _ = Issue(requests, 2);
        _world.Write(Place, Control, 2, 0);
        Assert.Equal([false], Issue(requests, 1));
        Assert.Equal(0u, _world.Read(Place, Status, 2));
        requests.Complete(1);
        Assert.False(requests.Stopped);
        requests.Complete(1);
        Assert.Equal(Stopped, _world.Read(Place, Status, 2));
    }

    [Fact]
    public void A_reset_of_the_interface_works_only_while_it_is_off_and_reads_as_zero()
    {
        PageRequestCapability requests = Add(new PageRequestCapability());
        int forgotten = 0;
        requests.Forgotten += () => forgotten++;
        _world.Write(Place, Allocation, 4, 8);
        _world.Write(Place, Control, 2, Enable);
        _ = Issue(requests, 2);
        _world.Write(Place, Control, 2, Enable | Reset);
        Assert.Equal((2u, 0, Enable), (requests.Outstanding, forgotten, _world.Read(Place, Control, 2)));
        _world.Write(Place, Control, 2, Reset);
        Assert.Equal((0u, 1, 0u), (requests.Outstanding, forgotten, _world.Read(Place, Control, 2)));
        Assert.True(requests.Stopped);
    }

    [Fact]
    public void A_failure_turns_the_interface_off_and_is_told_until_software_has_seen_it()
    {
        PageRequestCapability requests = Add(new PageRequestCapability());
        _world.Write(Place, Allocation, 4, 8);
        _world.Write(Place, Control, 2, Enable);
        _ = Issue(requests, 2);
        requests.Fail();
        requests.ReportUnexpectedGroup();
        Assert.Equal((0u, Stopped | 3, 0u), (_world.Read(Place, Control, 2), _world.Read(Place, Status, 2), requests.Outstanding));
        Assert.True(requests.HasFailed);
        _world.Write(Place, Status, 2, 3);
        Assert.Equal(Stopped, _world.Read(Place, Status, 2));
        _world.Write(Place, Control, 2, Enable);
        Assert.True(requests.TryIssue());
    }

    [Fact]
    public void A_PASID_may_be_sent_where_software_enabled_it_and_it_fits()
    {
        PasidCapability pasids = Add(new PasidCapability(width: 8));
        DmaAttributes small = new() { Pasid = new(0xFF) };
        DmaAttributes executes = small with { Execute = true };
        DmaAttributes privileged = small with { Privileged = true };
        Assert.Equal([true, false, false, false], Permitted());
        _world.Write(Place, Status, 2, 6);
        Assert.Equal([true, false, false, false], Permitted());
        _world.Write(Place, Status, 2, 1);
        Assert.Equal([true, true, false, false], Permitted());
        _world.Write(Place, Status, 2, 3);
        Assert.Equal([true, true, true, false], Permitted());
        _world.Write(Place, Status, 2, 5);
        Assert.Equal([true, true, false, true], Permitted());
        Assert.False(pasids.Permits(new() { Pasid = new(0x100) }));

        bool[] Permitted() => [pasids.Permits(default), pasids.Permits(small), pasids.Permits(executes), pasids.Permits(privileged)];
    }

    private static bool[] Issue(PageRequestCapability requests, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => requests.TryIssue())];

    private T Add<T>(T capability)
        where T : PciExtendedCapability
    {
        _ = _world.Add(new ProbeFunction().With(new PciExpressCapability(PciExpressType.Endpoint)).With(capability), Place.Device);
        return capability;
    }
}
