using Dma.Hal;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A device with another DMA API than its own.</summary>
/// <param name="device">The device.</param>
/// <param name="dma">The API that its drivers are given.</param>
internal sealed class WithDma(IDevice device, IDmaSpace dma) : IDevice
{
    public IConfigurationAccess Configuration => device.Configuration;

    public IInterruptLine Interrupt => device.Interrupt;

    public IDmaSpace Dma => dma;

    public Processor Processor => device.Processor;

    public IRegisterWindow OpenBar(int bar) => device.OpenBar(bar);
}
