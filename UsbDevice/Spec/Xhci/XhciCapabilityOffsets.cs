namespace Dma.UsbDevice.Spec;

/// <summary>The capability registers, as byte offsets from BAR 0 (xHCI, host controller capability registers).</summary>
public static class XhciCapabilityOffsets
{
    /// <summary>CAPLENGTH, 1 byte: where the operational registers begin.</summary>
    public const int Length = 0x00;

    /// <summary>HCIVERSION, 2 bytes, binary-coded decimal.</summary>
    public const int InterfaceVersion = 0x02;

    /// <summary>HCSPARAMS1, see <see cref="XhciStructuralParameters1"/>.</summary>
    public const int StructuralParameters1 = 0x04;

    /// <summary>HCSPARAMS2, see <see cref="XhciStructuralParameters2"/>.</summary>
    public const int StructuralParameters2 = 0x08;

    /// <summary>HCSPARAMS3, see <see cref="XhciStructuralParameters3"/>.</summary>
    public const int StructuralParameters3 = 0x0C;

    /// <summary>HCCPARAMS1, see <see cref="XhciCapabilityParameters1"/>.</summary>
    public const int CapabilityParameters1 = 0x10;

    /// <summary>DBOFF: bits 31:2 of where the doorbells begin.</summary>
    public const int DoorbellOffset = 0x14;

    /// <summary>RTSOFF: bits 31:5 of where the runtime registers begin.</summary>
    public const int RuntimeOffset = 0x18;

    /// <summary>HCCPARAMS2, see <see cref="XhciCapabilityParameters2"/>.</summary>
    public const int CapabilityParameters2 = 0x1C;
}
