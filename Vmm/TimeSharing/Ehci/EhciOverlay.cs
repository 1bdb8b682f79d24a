using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Bits of USBSTS that a guest sees set during its turn beside those of the controller, since nothing can set them there.</summary>
/// <remarks>They are causes that were latched before and that it has not acknowledged, and schedules that are to run, until they show that they do.</remarks>
/// <param name="hardware">The controller.</param>
internal sealed class EhciOverlay(GatedEhci hardware)
{
    /// <summary>The bits.</summary>
    public uint Bits { get; set; }

    private static uint ScheduleBits => new UsbStatus { AsyncActive = true, PeriodicActive = true }.Raw.Value;

    /// <summary>What an access finds where the controller answers with a value.</summary>
    public ulong Over(ulong offset, int width, ulong value)
    {
        int shift = (hardware.OperationalBase + EhciOperationalOffsets.UsbStatus - (int)offset) * 8;
        ulong bits = shift <= -32 || shift >= 8 * width ? 0 : shift >= 0 ? (ulong)Bits << shift : Bits >> -shift;
        return value | (bits & RegisterFile.AllOnes(width));
    }

    /// <summary>The guest wrote: what is acknowledged is gone, and a command decides anew which schedules run.</summary>
    public void Written(ulong offset, int width, ulong value)
    {
        int status = hardware.OperationalBase + EhciOperationalOffsets.UsbStatus;
        Bits &= ~Part(value & RegisterFile.AllOnes(width), (int)offset - status);
        int command = hardware.OperationalBase + EhciOperationalOffsets.UsbCommand;
        if ((int)offset < command + sizeof(uint) && (int)offset + width > command)
            Bits &= ~ScheduleBits;
    }

    /// <summary>What the controller shows by itself need not lie over it any more.</summary>
    public void Settle() => Bits &= ~(hardware.Status.Raw.Value & ScheduleBits);

    // What an access brings for a doubleword that begins so many bytes before it.
    private static uint Part(ulong value, int distance) => distance switch
    {
        <= -8 or >= sizeof(uint) => 0,
        < 0 => (uint)(value >> (-distance * 8)),
        _ => (uint)(value << (distance * 8)),
    };
}
