using Dma.Machine;

namespace Dma.UsbDevice.Spec;

/// <summary>What the endpoint before it is for (USB attached SCSI, pipe usage descriptor).</summary>
/// <param name="Raw">All bits.</param>
public readonly record struct PipeUsageDescriptor(Bits32 Raw)
{
    /// <summary>Bytes in the descriptor.</summary>
    public const int Size = 4;

    /// <summary>Bits 7:0, bLength.</summary>
    public byte Length
    {
        get => (byte)Raw.Bits(7, 0);
        init => Raw = Raw.With(7, 0, value);
    }

    /// <summary>Bits 15:8, bDescriptorType, 24h.</summary>
    public DescriptorType Type
    {
        get => (DescriptorType)Raw.Bits(15, 8);
        init => Raw = Raw.With(15, 8, (uint)value);
    }

    /// <summary>Bits 23:16, bPipeID.</summary>
    public UasPipe Pipe
    {
        get => (UasPipe)Raw.Bits(23, 16);
        init => Raw = Raw.With(23, 16, (uint)value);
    }
}
