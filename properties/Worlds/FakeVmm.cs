using Dma.Hal;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A VMM that says yes, keeps a list, and gives each mapping new device addresses.</summary>
/// <param name="device">The only device that it knows.</param>
internal sealed class FakeVmm(SourceId device) : IHypercallGate
{
    private const int PageSize = 4096;

    private ulong _next = 0x7000_0000;

    public Dictionary<ulong, (ulong Memory, ulong Length)> Live { get; } = [];

    public DmaRefusal RefuseWith { get; set; }

    public ValueTask<HypercallResult> Call(Hypercall number, ulong argument0, ulong argument1, ulong argument2, ulong argument3)
    {
        Assert.Equal(device.Value, argument0);
        if (RefuseWith != DmaRefusal.None)
            return new(new HypercallResult(RefuseWith, 0));
        if (number == Hypercall.UnmapDma)
        {
            Assert.True(Live.Remove(argument1, out (ulong Memory, ulong Length) live));
            Assert.Equal(live.Length, argument2);
            return new(new HypercallResult(DmaRefusal.None, 0));
        }

        Assert.Equal(Hypercall.MapDma, number);
        Assert.InRange(argument3, 1ul, 3ul);
        ulong address = _next + (argument1 % PageSize);
        _next += (argument1 % PageSize) + argument2 + PageSize - 1;
        _next -= _next % PageSize;
        Live.Add(address, (argument1, argument2));
        return new(new HypercallResult(DmaRefusal.None, address));
    }

    public IDmaPort Open(PhysicalMemory memory) => new Port(device, this, memory);

    private sealed class Port(SourceId source, FakeVmm vmm, PhysicalMemory memory) : IDmaPort
    {
        public SourceId Source => source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default) =>
            TryFind(address, out PhysicalAddress place) && memory.TryRead(place, destination) ? DmaStatus.Success : DmaStatus.Blocked;

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default) =>
            TryFind(address, out PhysicalAddress place) && memory.TryWrite(place, source) ? DmaStatus.Success : DmaStatus.Blocked;

        private bool TryFind(Iova address, out PhysicalAddress place)
        {
            foreach ((ulong first, (ulong target, ulong length)) in vmm.Live)
            {
                if (address.Value - first >= length)
                    continue;
                place = new(target + (address.Value - first));
                return true;
            }

            place = default;
            return false;
        }
    }
}
