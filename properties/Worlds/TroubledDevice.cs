using Dma.Hal;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A device whose HAL has troubles: interrupts that get lost, mappings that are refused.</summary>
/// <param name="inner">The device and an honest HAL.</param>
/// <param name="losesInterrupts">Whether no wait ever sees an interrupt.</param>
/// <param name="mappings">How many mappings are granted before all others are refused.</param>
internal sealed class TroubledDevice(IDevice inner, bool losesInterrupts = false, int mappings = int.MaxValue) : IDevice
{
    public IConfigurationAccess Configuration => inner.Configuration;

    public IInterruptLine Interrupt { get; } = losesInterrupts ? new DeadLine(inner.Processor) : inner.Interrupt;

    public IDmaSpace Dma { get; } = new StingySpace(inner.Dma, mappings);

    public Processor Processor => inner.Processor;

    public IRegisterWindow OpenBar(int bar) => inner.OpenBar(bar);

    private sealed class DeadLine(Processor processor) : IInterruptLine
    {
        public async ValueTask<bool> Wait(ulong timeoutNs)
        {
            await processor.Delay(timeoutNs);
            return false;
        }
    }

    private sealed class StingySpace(IDmaSpace inner, int mappings) : IDmaSpace
    {
        private int _left = mappings;

        public MemoryBuffer Allocate(int length, int alignment = 64) => inner.Allocate(length, alignment);

        public DmaRefusal Free(MemoryBuffer buffer) => inner.Free(buffer);

        public ValueTask<CoherentBuffer> AllocateCoherent(int length) =>
            _left-- > 0 ? inner.AllocateCoherent(length) : throw new InvalidOperationException("Nothing is left.");

        public ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer) => inner.FreeCoherent(buffer);

        public ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction) =>
            _left-- > 0 ? inner.Map(buffer, direction) : new(DmaMapResult.Refused(DmaRefusal.Exhausted));

        public ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction) =>
            inner.MapScatterGather(segments, direction);

        public ValueTask<DmaRefusal> Unmap(DmaMapping mapping) => inner.Unmap(mapping);
    }
}
