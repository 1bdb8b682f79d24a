using System.Buffers.Binary;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Puts the packets of one bus together to transfers.</summary>
/// <remarks>
/// Control transfers show their end on the bus: the status stage, or STALL. Where others end only the controller knows.
/// </remarks>
internal sealed class BusCapture(UsbCapture capture, int number, EventLoop loop) : IPacketObserver
{
    private const int DirectionIn = 0x80;

    private readonly Dictionary<int, CapturedTransfer> _open = [];

    // What start-splits gave to transaction translators, until a complete-split says what became of it.
    private readonly Dictionary<int, (UsbPid DataPid, byte[] Data)> _started = [];

    /// <summary>The start of the oldest transfer that has not ended, in nanoseconds; the greatest time where there is none.</summary>
    public ulong OldestNs => _open.Count == 0 ? ulong.MaxValue : _open.Values.Min(transfer => transfer.StartNs);

    /// <inheritdoc/>
    public void Transaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        // What the device put off says nothing yet.
        if (handshake == UsbPid.Nak || token.Pid == UsbPid.Ping)
            return;
        if (token.IsSplit)
            SplitTransaction(token, dataPid, data, handshake);
        else
            WholeTransaction(token, dataPid, data, handshake);
    }

    /// <inheritdoc/>
    public void TransferEnded(in UsbToken token, TransferType type, TransferOutcome outcome)
    {
        // A control transfer that went well has ended with its status stage.
        if (type == TransferType.Control)
        {
            if (outcome != TransferOutcome.Completed)
                End(ControlKey(token), outcome);
            return;
        }

        int key = KeyOf(token);
        if (!_open.TryGetValue(key, out CapturedTransfer? transfer))
            _open.Add(key, transfer = Begin(token));
        transfer.Type = type;

        // Without a handshake, bytes count only where there never is one.
        if (type != TransferType.Isochronous)
            transfer.DropUnanswered();
        End(key, outcome);
    }

    /// <summary>Hands over what has not ended.</summary>
    public void Abandon()
    {
        foreach (CapturedTransfer transfer in _open.Values.OrderBy(transfer => transfer.StartNs))
            capture.Add(number, transfer, TransferOutcome.None);
        _open.Clear();
    }

    private void WholeTransaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        if (token.Pid == UsbPid.Setup)
            Setup(token, data);
        else if (_open.TryGetValue(ControlKey(token), out CapturedTransfer? control))
            ControlStage(token, control, dataPid, data, handshake);
        else
            Move(token, dataPid, data, handshake);
    }

    // Behind a transaction translator a transaction comes in halves: data out with the start, data in and handshakes with the completion.
    private void SplitTransaction(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        UsbToken whole = token with { Split = default };
        int key = KeyOf(whole);
        bool isIsochronous = token.Split.EndpointType == TransferType.Isochronous;
        if (token.Pid == UsbPid.In)
        {
            // An isochronous packet has no handshake; others were acknowledged by the translator.
            if (token.Split.Complete)
                WholeTransaction(whole, dataPid, data, dataPid == UsbPid.None ? handshake : isIsochronous ? UsbPid.None : UsbPid.Ack);
        }
        else if (isIsochronous)
            WholeTransaction(whole, dataPid, data, UsbPid.None);
        else if (!token.Split.Complete)
            _started[key] = (dataPid, data.ToArray());
        else if (handshake is UsbPid.Ack or UsbPid.Stall && _started.Remove(key, out (UsbPid DataPid, byte[] Data) started))
            WholeTransaction(whole, started.DataPid, started.Data, handshake);
    }

    // A SETUP begins a control transfer, and ends one that was left in the middle.
    private void Setup(in UsbToken token, ReadOnlySpan<byte> data)
    {
        if (data.Length != SetupPacket.Size)
            return;
        ulong setup = BinaryPrimitives.ReadUInt64LittleEndian(data);
        int key = ControlKey(token);
        if (_open.TryGetValue(key, out CapturedTransfer? before) && before.Setup == setup && before.Data.Count == 0)
            return;
        End(key, TransferOutcome.TransactionError);
        byte direction = (byte)(setup & DirectionIn);
        _open.Add(key, new(token.Address, loop.NowNs) { Endpoint = (byte)(token.Endpoint | direction), Type = TransferType.Control, Setup = setup });
    }

    private void ControlStage(in UsbToken token, CapturedTransfer transfer, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        bool isIn = token.Pid == UsbPid.In;
        bool hasData = transfer.Setup!.Value >> 48 != 0;
        bool dataIsIn = (transfer.Endpoint & DirectionIn) != 0;
        if (handshake == UsbPid.Stall)
            End(ControlKey(token), TransferOutcome.Stalled);
        else if (handshake is not (UsbPid.Ack or UsbPid.Nyet) || dataPid == UsbPid.None)
            return;
        else if (hasData && isIn == dataIsIn)
            transfer.Data.AddRange(data);
        else
            End(ControlKey(token), TransferOutcome.Completed);
    }

    private void Move(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, UsbPid handshake)
    {
        if (dataPid == UsbPid.None || handshake == UsbPid.Stall)
            return;
        int key = KeyOf(token);
        if (!_open.TryGetValue(key, out CapturedTransfer? transfer))
            _open.Add(key, transfer = Begin(token));

        // A packet with a handshake takes the place of those before it that nobody acknowledged. Isochronous ones never have any.
        if (handshake == UsbPid.None)
            transfer.Unanswered += data.Length;
        else
            transfer.DropUnanswered();
        transfer.Data.AddRange(data);
    }

    private CapturedTransfer Begin(in UsbToken token) => new(token.Address, loop.NowNs)
    {
        Endpoint = (byte)(token.Endpoint | (token.Pid == UsbPid.In ? DirectionIn : 0)),
        Type = TransferType.Bulk,
    };

    private void End(int key, TransferOutcome outcome)
    {
        if (_open.Remove(key, out CapturedTransfer? transfer))
            capture.Add(number, transfer, outcome);
    }

    private static int ControlKey(in UsbToken token) => (token.Address << 8) | (token.Endpoint << 1);

    private static int KeyOf(in UsbToken token) => (1 << 16) | ControlKey(token) | (token.Pid == UsbPid.In ? 1 : 0);
}
