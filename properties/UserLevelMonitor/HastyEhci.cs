using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>An EHCI controller that interrupts as soon as it is told to work, and so before anything is done.</summary>
/// <param name="loop">Virtual time.</param>
internal sealed class HastyEhci(EventLoop loop) : EhciController(loop)
{
    private const ulong CommandAt = 0x20 + EhciOperationalOffsets.UsbCommand;

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        base.WriteBar(bar, offset, width, value);
        if (bar == 0 && offset == CommandAt && new UsbCommand(new((uint)value)) is { Run: true, AsyncEnable: true })
            RaiseInterrupt();
    }
}
