using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>Writes what goes over buses into a file that Wireshark reads: a submission and a completion for each transfer.</summary>
/// <remarks>
/// Events are in the order of virtual time. A transfer is written when it ends, with the time at which its first packet went;
/// what is still on its way when the capture is closed is written as a submission without completion. Submissions tell
/// how much was moved in the end, except for control transfers, whose setup says how much was asked for.
/// </remarks>
/// <param name="stream">Where it goes; it stays open.</param>
/// <param name="loop">Whose time it is.</param>
public sealed class UsbCapture(Stream stream, EventLoop loop) : IDisposable
{
    // Something that never ends must not keep back what comes after it.
    private const int HeldMax = 4096;

    private readonly PcapngWriter _writer = new(stream);
    private readonly List<BusCapture> _buses = [];
    private readonly PriorityQueue<(int Bus, byte[] Packet), (ulong TimeNs, ulong Order)> _held = new();
    private ulong _order;
    private ulong _transfers;

    /// <summary>Takes a bus into the capture, as an interface of its own; from now on it is who watches the bus.</summary>
    /// <param name="bus">The bus.</param>
    /// <param name="name">The name of the interface.</param>
    public void Watch(UsbBus bus, string name)
    {
        _writer.AddInterface(name);
        BusCapture capture = new(this, _buses.Count, loop);
        _buses.Add(capture);
        bus.Observer = capture;
    }

    /// <summary>Writes what is not written yet. The stream stays open.</summary>
    public void Dispose()
    {
        foreach (BusCapture bus in _buses)
            bus.Abandon();
        WriteUpTo(ulong.MaxValue);
        stream.Flush();
    }

    /// <summary>A transfer has ended.</summary>
    internal void Add(int bus, CapturedTransfer transfer, TransferOutcome outcome)
    {
        ulong id = ++_transfers;
        bool isIn = (transfer.Endpoint & 0x80) != 0;
        ReadOnlySpan<byte> data = CollectionsMarshal.AsSpan(transfer.Data);
        UsbmonHeader submit = HeaderOf(bus, id, transfer, transfer.StartNs);
        submit.Event = UsbmonHeader.Submit;
        submit.Status = ErrorNumber.InProgress;
        submit.SetupFlag = transfer.Setup is null ? (byte)'-' : (byte)0;
        submit.Setup = transfer.Setup ?? submit.Setup;
        submit.Length = transfer.Setup is { } setup ? (uint)(setup >> 48) : (uint)data.Length;
        submit.DataFlag = isIn || submit.Length == 0 ? (byte)'<' : (byte)0;
        Hold(bus, transfer.StartNs, submit, isIn ? default : data, transfer.Descriptors(outcome));
        if (outcome != TransferOutcome.None)
        {
            UsbmonHeader complete = HeaderOf(bus, id, transfer, loop.NowNs);
            complete.Event = UsbmonHeader.Complete;
            complete.Status = ErrorNumber.Of(outcome);
            complete.SetupFlag = (byte)'-';
            complete.Length = (uint)data.Length;
            complete.DataFlag = isIn && data.Length != 0 ? (byte)0 : (byte)'>';
            Hold(bus, loop.NowNs, complete, isIn ? data : default, transfer.Descriptors(outcome));
        }

        ulong oldest = _held.Count > HeldMax ? ulong.MaxValue : _buses.Min(other => other.OldestNs);
        WriteUpTo(oldest);
    }

    private static UsbmonHeader HeaderOf(int bus, ulong id, CapturedTransfer transfer, ulong timeNs) => new()
    {
        Id = id,
        Transfer = transfer.UsbmonType,
        Endpoint = transfer.Endpoint,
        Device = transfer.Device,
        Bus = (ushort)(bus + 1),
        Seconds = (long)(timeNs / 1_000_000_000),
        Microseconds = (int)(timeNs % 1_000_000_000 / 1000),
        Setup = transfer.IsIsochronous ? 1ul << 32 : 0,
        DescriptorCount = transfer.IsIsochronous ? 1u : 0,
    };

    private void Hold(int bus, ulong timeNs, UsbmonHeader header, ReadOnlySpan<byte> data, ReadOnlySpan<byte> descriptors)
    {
        header.CapturedLength = (uint)(descriptors.Length + data.Length);
        byte[] packet = new byte[UsbmonHeader.Size + descriptors.Length + data.Length];
        MemoryMarshal.Write(packet, header);
        descriptors.CopyTo(packet.AsSpan(UsbmonHeader.Size));
        data.CopyTo(packet.AsSpan(UsbmonHeader.Size + descriptors.Length));
        _held.Enqueue((bus, packet), (timeNs, _order++));
    }

    private void WriteUpTo(ulong oldestNs)
    {
        while (_held.TryPeek(out (int Bus, byte[] Packet) next, out (ulong TimeNs, ulong Order) key) && key.TimeNs <= oldestNs)
        {
            _writer.Write(next.Bus, key.TimeNs, next.Packet);
            _ = _held.Dequeue();
        }
    }

    // Error numbers of Linux, as its USB stack uses them.
    private static class ErrorNumber
    {
        public const int InProgress = -115;

        public static int Of(TransferOutcome outcome) => outcome switch
        {
            TransferOutcome.Stalled => -32,
            TransferOutcome.TransactionError => -71,
            TransferOutcome.Babble => -75,
            TransferOutcome.BufferError => -63,
            TransferOutcome.Missed => -18,
            _ => 0,
        };
    }
}
