namespace Dma.Machine;

/// <summary>A machine without remapping: device addresses are memory addresses.</summary>
/// <param name="memory">What the ports reach.</param>
/// <param name="interrupts">Where writes into the interrupt range go.</param>
public sealed class DirectFabric(PhysicalMemory memory, IInterruptSink interrupts) : IDmaFabric
{
    /// <inheritdoc/>
    public IDmaPort Open(SourceId source) => new Port(source, memory, interrupts);

    private sealed class Port(SourceId source, PhysicalMemory memory, IInterruptSink interrupts) : IDmaPort
    {
        public SourceId Source => source;

        public DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default)
        {
            for (int done = 0; done < destination.Length;)
            {
                int step = PageStep(address, done, destination.Length);
                PhysicalAddress target = new(address.Value + (ulong)done);
                if (InterruptRange.Contains(target.Value) || !memory.TryRead(target, destination.Slice(done, step)))
                    return DmaStatus.Unclaimed;
                done += step;
            }

            return DmaStatus.Success;
        }

        public DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default)
        {
            if (InterruptRange.Contains(address.Value))
                return WriteInterrupt(address, source);
            for (int done = 0; done < source.Length;)
            {
                int step = PageStep(address, done, source.Length);
                PhysicalAddress target = new(address.Value + (ulong)done);
                if (InterruptRange.Contains(target.Value) || !memory.TryWrite(target, source.Slice(done, step)))
                    return DmaStatus.Unclaimed;
                done += step;
            }

            return DmaStatus.Success;
        }

        public DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
        {
            found = 0;
            return !InterruptRange.Contains(address.Value) && memory.TryCompareExchange(new(address.Value), compare, swap, out found)
                ? DmaStatus.Success
                : DmaStatus.Unclaimed;
        }

        private DmaStatus WriteInterrupt(Iova address, ReadOnlySpan<byte> source)
        {
            if (source.Length != 4 || (address.Value & 3) != 0)
                return DmaStatus.Unclaimed;
            interrupts.Deliver(new(address.Value, BitConverter.ToUInt32(source)));
            return DmaStatus.Success;
        }

        private static int PageStep(Iova address, int done, int length) =>
            Math.Min(length - done, 4096 - (int)((address.Value + (ulong)done) & 0xFFF));
    }
}
