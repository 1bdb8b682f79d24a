using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The legacy support capability in the image of an xHCI controller, where there is one: who owns it stays as it is when the controller is reset.</summary>
/// <param name="hardware">The controller.</param>
/// <param name="file">The registers of the image.</param>
internal sealed class XhciLegacyImage(GatedXhci hardware, RegisterFile file)
{
    private readonly int _at = file.Registers.FirstOrDefault(static register => register.Name == XhciImageRegisters.LegacySupport).Offset;

    /// <summary>USBLEGSUP and USBLEGCTLSTS; zeros where there is no such capability.</summary>
    public (uint Support, uint Control) Value
    {
        get => _at == 0 ? (0u, 0u) : ((uint)file[_at], (uint)file[_at + sizeof(uint)]);
        set
        {
            if (_at != 0)
                (file[_at], file[_at + sizeof(uint)]) = value;
        }
    }

    /// <summary>Whether a register is one of the two.</summary>
    public bool Has(int offset) => _at != 0 && (offset == _at || offset == _at + sizeof(uint));

    /// <summary>The guest wrote one of them: that the owner changed is latched.</summary>
    public void Written(in RegisterWrite write)
    {
        if (write.Offset == _at && write.Before != write.After)
            Value = (Value.Support, (new XhciLegacyControl(new(Value.Control)) with { Ownership = true }).Raw.Value);
    }

    /// <summary>Gives the controller both.</summary>
    public void Load()
    {
        if (_at == 0)
            return;
        hardware[_at] = Value.Support;
        uint shown = hardware[_at + sizeof(uint)];
        uint changes = new XhciLegacyControl { Ownership = true, Command = true, Bar = true }.Raw.Value;
        hardware[_at + sizeof(uint)] = (Value.Control & ~changes) | (shown & ~Value.Control & changes);
    }
}
