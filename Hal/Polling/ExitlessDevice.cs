using Dma.Machine;

namespace Dma.Hal;

/// <summary>A device whose VMM polls its registers, as a HAL gives it to a driver that knows nothing of that.</summary>
/// <remarks>Where the VMM offers a <see cref="WriteRing"/>, writes go through it; elsewhere this is the device itself.</remarks>
/// <param name="cpu">The processor that the driver runs on.</param>
/// <param name="device">The device, ready for a driver.</param>
public sealed class ExitlessDevice(ICpu cpu, IDevice device) : IDevice
{
    private IRegisterWindow? _registers;

    /// <inheritdoc/>
    public IConfigurationAccess Configuration => device.Configuration;

    /// <inheritdoc/>
    public IInterruptLine Interrupt => device.Interrupt;

    /// <inheritdoc/>
    public IDmaSpace Dma => device.Dma;

    /// <inheritdoc/>
    public Processor Processor => device.Processor;

    /// <inheritdoc/>
    public IRegisterWindow OpenBar(int bar) => bar == 0 ? _registers ??= Open() : device.OpenBar(bar);

    private IRegisterWindow Open()
    {
        IRegisterWindow window = device.OpenBar(0);
        return window.Length is >= WriteRing.Start + WriteRing.Length and <= WriteRing.WindowMax
            && window.Read32(WriteRing.SignatureAt) == WriteRing.Signature
            && window.Read32(WriteRing.CapacityAt) == WriteRing.Capacity
            ? new RingRegisterWindow(cpu, window)
            : window;
    }
}
