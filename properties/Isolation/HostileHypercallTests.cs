using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class HostileHypercallTests
{
    private const ulong MiB = 1 << 20;
    private const ulong GuestBytes = 1 * MiB;
    private const ulong Handle = 5 << 3;

    // Numbers that mean something to somebody, and their neighbours.
    private static readonly ulong[] _interesting =
    [
        0, 1, 2, 3, 4, 0x28, 0xFF, 0x1000, 0xFFF, 0x2000, GuestBytes - 1, GuestBytes, GuestBytes + 1, MemoryLayout.LowMemoryEnd,
        MemoryLayout.RemappingUnit, InterruptRange.First, MemoryLayout.HighMemoryStart, 1ul << 47, 1ul << 48, 1ul << 63,
        ulong.MaxValue, ulong.MaxValue - 1, ulong.MaxValue - 0xFFF, ulong.MaxValue << 12, uint.MaxValue, DmaMappings.WindowLength, Handle, Handle | (1 << 16),
    ];

    private static Gen<ulong> Argument => Gen.Frequency(
        (6, Gen.Elements(_interesting)), (2, Gen.Choose(0, (int)GuestBytes).Select(value => (ulong)value)), (2, Generate.Any64));

    private static Gen<Request> Requests =>
        from number in Gen.Frequency((8, Gen.Choose(0, 4)), (1, Gen.Choose(int.MinValue, int.MaxValue)))
        from handle in Gen.Frequency((3, Gen.Constant(Handle)), (1, Argument))
        from second in Argument
        from third in Argument
        from fourth in Gen.Frequency((3, Gen.Choose(0, 4).Select(value => (ulong)value)), (1, Argument))
        select new Request((Hypercall)number, handle, second, third, fourth);

    [Fact]
    public void Any_call_is_answered_and_what_is_refused_changes_nothing() =>
        Property.Check(Generate.Program(Requests, 40), Run, 25);

    [Fact]
    public void A_policy_is_asked_about_what_is_in_order_and_its_no_changes_nothing()
    {
        using World world = new();
        Deny policy = new();
        world.Guest.Policy = policy;
        Assert.Equal(DmaRefusal.BadRange, world.Call(new(Hypercall.MapDma, Handle, GuestBytes, 1, 3)).Refusal);
        Assert.Equal(0, policy.Asked);
        State before = world.State();
        Assert.Equal(DmaRefusal.Denied, world.Call(new(Hypercall.MapDma, Handle, 0x1800, 0x900, 2)).Refusal);
        Assert.Equal(before, world.State());
        Assert.Equal(1, policy.Asked);
        Assert.Equal(new(world.Guest, new(0, 5, 0), new(0x1800), 0x900, DmaDirection.FromDevice), policy.Last);
    }

    [Fact]
    public void A_quota_of_pinned_pages_holds_over_all_mappings()
    {
        using World world = new();
        world.Guest.PinnedPagesMax = 10;
        Assert.Equal(DmaRefusal.Exhausted, world.Call(new(Hypercall.MapDma, Handle, 0, 11 * 4096, 3)).Refusal);
        Assert.Equal(DmaRefusal.Exhausted, world.Call(new(Hypercall.MapDma, Handle, 1, 10 * 4096, 3)).Refusal);
        HypercallResult first = world.Call(new(Hypercall.MapDma, Handle, 0, 6 * 4096, 3));
        Assert.Equal(DmaRefusal.None, first.Refusal);
        Assert.Equal(DmaRefusal.Exhausted, world.Call(new(Hypercall.MapDma, Handle, 0, 5 * 4096, 3)).Refusal);
        Assert.Equal(DmaRefusal.None, world.Call(new(Hypercall.UnmapDma, Handle, first.Value, 6 * 4096, 0)).Refusal);
        Assert.Equal(DmaRefusal.None, world.Call(new(Hypercall.MapDma, Handle, 0, 10 * 4096, 3)).Refusal);
    }

    [Fact]
    public void Without_memory_for_tables_a_mapping_is_refused_and_leaves_nothing()
    {
        // Beside those that the unit and the domain begin with, there are frames for a few tables of 2 MiB of device addresses each.
        using World world = new(vmmBytes: (1 << 20) + (13 * 4096), guestBytes: 8 * MiB);
        State before = world.State();
        int refused = 0;
        List<(ulong Device, ulong Length)> mapped = [];
        for (int call = 0; call < 12; call++)
        {
            State now = world.State();
            HypercallResult result = world.Call(new(Hypercall.MapDma, Handle, 4096, (8 * MiB) - 8192, 3));
            if (result.Refusal == DmaRefusal.None)
            {
                mapped.Add((result.Value, (8 * MiB) - 8192));
                continue;
            }

            Assert.Equal(DmaRefusal.Exhausted, result.Refusal);
            Assert.Equal(now, world.State());
            refused++;
        }

        Assert.True(refused > 0 && mapped.Count > 0, $"{refused} refused, {mapped.Count} mapped");
        foreach ((ulong device, ulong length) in mapped)
            Assert.Equal(DmaRefusal.None, world.Call(new(Hypercall.UnmapDma, Handle, device, length, 0)).Refusal);
        Assert.Equal(before, world.State());
    }

    private static void Run(Request[] program)
    {
        using World world = new();
        List<Request> live = [];
        foreach (Request request in program)
        {
            State before = world.State();
            HypercallResult result = world.Call(request);
            if (result.Refusal != DmaRefusal.None)
            {
                Assert.Equal(0ul, result.Value);
                Assert.Equal(before, world.State());
                continue;
            }

            // What was granted is what the ABI says may be.
            switch (request.Number)
            {
                case Hypercall.MapDma:
                    Assert.Equal(Handle, request.Argument0);
                    Assert.True(request.Argument1 < GuestBytes && request.Argument2 >= 1 && request.Argument2 <= GuestBytes - request.Argument1);
                    Assert.InRange(request.Argument3, 1ul, 3ul);
                    live.Add(request with { Argument1 = result.Value });
                    break;
                case Hypercall.UnmapDma:
                    Assert.Equal(1, live.RemoveAll(other => other.Argument1 == request.Argument1 && other.Argument2 == request.Argument2));
                    break;
                case Hypercall.FindDevice:
                    Assert.Equal((0ul, Handle), (request.Argument0, result.Value));
                    break;
                default:
                    Assert.Fail($"{request} was granted.");
                    break;
            }

            Assert.Equal(live.Count, world.State().Mappings);
        }
    }

    internal sealed record Request(Hypercall Number, ulong Argument0, ulong Argument1, ulong Argument2, ulong Argument3)
    {
        public override string ToString() => $"{Number}({Argument0:X}h, {Argument1:X}h, {Argument2:X}h, {Argument3:X}h)";
    }

    // All that a call could change.
    private readonly record struct State(int Mappings, ulong Pins, ulong PinnedPages, ulong Free, int Tables, int Devices);

    private sealed class Deny : IDmaPolicy
    {
        public int Asked { get; private set; }

        public DmaRequest Last { get; private set; }

        public bool Permits(in DmaRequest request)
        {
            Asked++;
            Last = request;
            return false;
        }
    }

    private sealed class World : IDisposable
    {
        private readonly Host _host;
        private readonly Assignment _assignment;

        public World(ulong vmmBytes = 16 * MiB, ulong guestBytes = GuestBytes)
        {
            _host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = vmmBytes, Profile = HardwareProfile.Named("xeon-e5-v2") });
            DmaDevice device = new();
            _host.Pci.Add(device, 3);
            _host.Boot();
            Guest = _host.CreateMachine("hostile", guestBytes);
            _assignment = _host.AssignmentOf(device.Source);
            Assert.True(_host.Loop.Run(() => _assignment.Assign(Guest, new(0, 5, 0)).AsTask()).IsDone);
        }

        public VirtualMachine Guest { get; }

        public void Dispose() => _host.Dispose();

        public HypercallResult Call(Request request) => _host.Loop.Run(() =>
            Guest.Cpu.Call(request.Number, request.Argument0, request.Argument1, request.Argument2, request.Argument3).AsTask());

        public State State() => new(
            _assignment.Mappings!.Count, _host.Frames.Pins, Guest.PinnedPages, _host.Frames.CountOf(FrameOwner.Free),
            _host.Remapping.FramesInUse, Guest.Devices.Count);
    }
}
