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

    private sealed class StingySpace(IDmaSpace below, int mappings) : DmaLayer(below)
    {
        private int _left = mappings;

        public override ValueTask<CoherentBuffer> AllocateCoherent(int length) =>
            _left-- > 0 ? Below.AllocateCoherent(length) : throw new InvalidOperationException("Nothing is left.");

        public override ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction) =>
            _left-- > 0 ? Below.Map(buffer, direction) : new(DmaMapResult.Refused(DmaRefusal.Exhausted));
    }
}
