using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>BOS: the head of a list of device capabilities (USB 3.x, binary device object store).</summary>
/// <param name="Raw">Bits 39:0; the rest is zero.</param>
public readonly record struct BinaryObjectStoreDescriptor(Bits64 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 5;

    /// <summary>Bits 7:0, bLength.</summary>
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

    /// <summary>Bits 31:16, wTotalLength: bytes of this and all capabilities.</summary>
    public ushort TotalLength
    {
        get => (ushort)Raw.Bits(31, 16);
        init => Raw = Raw.With(31, 16, value);
    }

    /// <summary>Bits 39:32, bNumDeviceCaps.</summary>
    public byte CapabilityCount
    {
        get => (byte)Raw.Bits(39, 32);
        init => Raw = Raw.With(39, 32, value);
    }
}
