namespace Dma.Machine;

/// <summary>What answers on the system bus where a BAR of a function can be reached.</summary>
/// <param name="function">The function.</param>
/// <param name="bar">The BAR.</param>
/// <param name="skipped">How many bytes of the BAR lie before the window, because a bridge does not forward them.</param>
internal sealed class BarWindow(PciFunction function, int bar, ulong skipped) : IMmioDevice
{
    public ulong Read(ulong offset, int width) => function.ReadFromBus(bar, skipped + offset, width);

    public void Write(ulong offset, int width, ulong value) => function.WriteFromBus(bar, skipped + offset, width, value);
}
