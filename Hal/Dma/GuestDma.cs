using Dma.Machine;

namespace Dma.Hal;

/// <summary>The DMA API that a guest's HAL gives a driver, by policy. The driver is the same under each.</summary>
public static class GuestDma
{
    /// <summary>Makes one.</summary>
    /// <param name="options">The policy; the VMM must have the same for this guest where it has a part in it.</param>
    /// <param name="cpu">The processor that the driver runs on.</param>
    /// <param name="frames">Where its memory comes from.</param>
    /// <param name="gate">The way to the VMM.</param>
    /// <param name="device">The handle of the device.</param>
    public static IDmaSpace Create(MappingOptions options, ICpu cpu, FrameAllocator frames, IHypercallGate gate, SourceId device)
    {
        ParavirtualDmaSpace asking = new(cpu, frames, gate, device);
        return options.Policy switch
        {
            MappingPolicy.Static => new IdentityDmaSpace(cpu, frames),
            MappingPolicy.Optimistic => new ReusingDmaSpace(asking, cpu.Processor.Loop, options),
            MappingPolicy.Bounce => new BounceDmaSpace(asking, cpu, options),

            // Strict, deferred and untranslated differ in what the VMM does.
            _ => asking,
        };
    }
}
