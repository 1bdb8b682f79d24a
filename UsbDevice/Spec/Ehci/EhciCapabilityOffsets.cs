namespace Dma.UsbDevice.Spec;

/// <summary>The capability registers, as byte offsets from BAR 0 (EHCI, host controller capability registers).</summary>
public static class EhciCapabilityOffsets
{
    /// <summary>CAPLENGTH, 8 bits: how far the operational registers lie behind BAR 0.</summary>
    public const int Length = 0x00;

    /// <summary>HCIVERSION, 16 bits, binary-coded decimal.</summary>
    public const int InterfaceVersion = 0x02;

    /// <summary>HCSPARAMS, see <see cref="Spec.StructuralParameters"/>.</summary>
    public const int StructuralParameters = 0x04;

    /// <summary>HCCPARAMS, see <see cref="Spec.CapabilityParameters"/>.</summary>
    public const int CapabilityParameters = 0x08;

    /// <summary>HCSP-PORTROUTE, 64 bits: one nibble for each port, used only with explicit port routing.</summary>
    public const int PortRoute = 0x0C;
}
