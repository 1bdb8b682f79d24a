using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What a hub says about itself and its ports (USB 2.0, hub descriptor).</summary>
/// <param name="Raw">The fixed bytes; two bitmaps of the ports, a bit each from bit 1 on, follow on the bus.</param>
public readonly record struct HubDescriptor(Bits64 Raw)
{
    /// <summary>Bytes on the bus.</summary>
    public const int Size = 7;

    /// <summary>Bits 7:0, bDescLength, with the bitmaps.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (ulong)value);
    }

    /// <summary>Bits 23:16, bNbrPorts.</summary>
    public byte PortCount
    {
        get => (byte)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, value);
    }

    /// <summary>Bits 25:24, of wHubCharacteristics: 0 all ports together, 1 each alone, 2 and 3 none.</summary>
    public int PowerSwitching
    {
        get => (int)Raw.Bits(25, 24);
        init => Raw = Raw.With(25, 24, (ulong)value);
    }

    /// <summary>Bit 26, of wHubCharacteristics: some of its devices cannot be removed.</summary>
    public bool IsCompound
    {
        get => Raw.Bit(26);
        init => Raw = Raw.With(26, value);
    }

    /// <summary>Bits 28:27, of wHubCharacteristics: 0 reported for all ports together, 1 for each, 2 and 3 none.</summary>
    public int OverCurrentProtection
    {
        get => (int)Raw.Bits(28, 27);
        init => Raw = Raw.With(28, 27, (ulong)value);
    }

    /// <summary>Bits 30:29, of wHubCharacteristics: what a translator needs between two transactions, less one, in units of 8 full-speed bit times.</summary>
    public int ThinkTime
    {
        get => (int)Raw.Bits(30, 29);
        init => Raw = Raw.With(30, 29, (ulong)value);
    }

    /// <summary>Bit 31, of wHubCharacteristics: its ports have lights that software controls.</summary>
    public bool HasIndicators
    {
        get => Raw.Bit(31);
        init => Raw = Raw.With(31, value);
    }

    /// <summary>Bits 47:40, bPwrOn2PwrGood, in units of 2 ms.</summary>
    public byte PowerOnToPowerGood
    {
        get => (byte)Raw.Bits(47, 40);
        init => Raw = Raw.With(47, 40, value);
    }

    /// <summary>Bits 55:48, bHubContrCurrent, in mA.</summary>
    public byte ControllerCurrent
    {
        get => (byte)Raw.Bits(55, 48);
        init => Raw = Raw.With(55, 48, value);
    }
}
