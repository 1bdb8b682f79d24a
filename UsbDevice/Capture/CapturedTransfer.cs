using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A transfer as far as it has been seen on the bus.</summary>
/// <param name="device">The device's address.</param>
/// <param name="startNs">When its first packet went, in nanoseconds.</param>
internal sealed class CapturedTransfer(byte device, ulong startNs)
{
    /// <summary>The device's address.</summary>
    public byte Device => device;

    /// <summary>When its first packet went, in nanoseconds.</summary>
    public ulong StartNs => startNs;

    /// <summary>The endpoint, with the direction of the data in bit 7.</summary>
    public byte Endpoint { get; init; }

    /// <summary>Which kind it is.</summary>
    public TransferType Type { get; set; }

    /// <summary>The eight setup bytes of a control transfer, the first one lowest.</summary>
    public ulong? Setup { get; init; }

    /// <summary>What was moved.</summary>
    public List<byte> Data { get; } = [];

    /// <summary>How many of the bytes, at the end, came without a handshake: those of isochronous transfers, or of packets that failed.</summary>
    public int Unanswered { get; set; }

    /// <summary>Whether it is isochronous.</summary>
    public bool IsIsochronous => Type == TransferType.Isochronous;

    /// <summary>The kind, as usbmon counts.</summary>
    public byte UsbmonType => Type switch
    {
        TransferType.Isochronous => 0,
        TransferType.Interrupt => 1,
        TransferType.Control => 2,
        _ => 3,
    };

    /// <summary>Forgets the bytes that came without a handshake.</summary>
    public void DropUnanswered()
    {
        Data.RemoveRange(Data.Count - Unanswered, Unanswered);
        Unanswered = 0;
    }

    /// <summary>The descriptor of the one packet of an isochronous transfer: status, offset, length; empty for other kinds.</summary>
    public byte[] Descriptors(TransferOutcome outcome)
    {
        if (!IsIsochronous)
            return [];
        byte[] descriptor = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(descriptor, outcome == TransferOutcome.Completed ? 0 : -18);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(8), Data.Count);
        return descriptor;
    }
}
