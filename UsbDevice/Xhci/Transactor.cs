using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Makes single transactions with the device of an endpoint, at whatever speed, through a translator where there is one.</summary>
/// <remarks>
/// A transaction through a translator has two halves: the start-split is pending until a complete-split brings its outcome. The
/// data of an IN is the host's only once <see cref="Acknowledge"/> was called.
/// </remarks>
internal sealed class Transactor(XhciStatistics statistics)
{
    // A translator that still does not know after so many complete-splits of a periodic endpoint has lost the transaction.
    private const int PeriodicWaitsMax = 4;

    // What a bus of full speed carries in a microframe.
    private const int PartMax = 188;

    private UsbToken _token;
    private UsbReply _reply;

    /// <summary>The longest that a transaction of an endpoint can take, in nanoseconds.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="bytes">Bytes of data.</param>
    /// <param name="isIn">Whether the device sends.</param>
    public static uint WorstNs(XhciEndpoint endpoint, int bytes, bool isIn) => endpoint.Slot switch
    {
        { Translator: not null } => Math.Max(WireTime.HighSpeed(bytes), WireTime.HighSpeedUnanswered(isIn ? 0 : bytes)),
        { Speed: UsbSpeed.Low } => Math.Max(WireTime.LowSpeed(bytes, isIn), WireTime.LowSpeedUnanswered(isIn ? 0 : bytes, isIn)),
        { Speed: UsbSpeed.Full } when endpoint.TransferType == TransferType.Isochronous => WireTime.FullSpeedIsochronous(bytes, isIn),
        { Speed: UsbSpeed.Full } => Math.Max(WireTime.FullSpeed(bytes), WireTime.FullSpeedUnanswered(isIn ? 0 : bytes)),
        { Speed: UsbSpeed.High } => Math.Max(WireTime.HighSpeed(bytes), WireTime.HighSpeedUnanswered(isIn ? 0 : bytes)),
        _ => WireTime.SuperSpeed(bytes),
    };

    /// <summary>Sends data, or a SETUP packet.</summary>
    /// <param name="endpoint">To which endpoint.</param>
    /// <param name="pid">SETUP, OUT or PING.</param>
    /// <param name="dataPid">Which data packet.</param>
    /// <param name="data">The bytes.</param>
    public Transaction Send(XhciEndpoint endpoint, UsbPid pid, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        if (Reach(endpoint) is not { } bus)
            return new(TransactionOutcome.Error, 0, Cost(endpoint, data.Length, isIn: false, isAnswered: false));
        statistics.Transactions++;
        if (endpoint.Slot.Translator is not null)
            return SendSplit(endpoint, bus, pid, dataPid, data);
        _token = TokenOf(endpoint, pid);
        UsbReply reply = pid == UsbPid.Ping ? bus.Ping(_token) : bus.Out(_token, dataPid, data);
        uint wire = Cost(endpoint, data.Length, isIn: false, isAnswered: reply.Pid != UsbPid.None || endpoint.TransferType == TransferType.Isochronous);

        // A device that took the packet but has no room for another says so.
        if (reply.Pid is UsbPid.Nyet or UsbPid.Nak && endpoint.Slot.Speed == UsbSpeed.High && pid != UsbPid.Setup && !endpoint.IsPeriodic)
            endpoint.Ping = true;
        else if (reply.Pid == UsbPid.Ack)
            endpoint.Ping = false;
        return reply.Pid switch
        {
            UsbPid.None when endpoint.TransferType == TransferType.Isochronous => new(TransactionOutcome.Done, 0, wire),
            UsbPid.Ack or UsbPid.Nyet => new(TransactionOutcome.Done, 0, wire),

            // A device must take a SETUP: a NAK to it is an error.
            UsbPid.Nak when pid != UsbPid.Setup => new(TransactionOutcome.Nak, 0, wire),
            UsbPid.Stall => new(TransactionOutcome.Stall, 0, wire),
            _ => new(TransactionOutcome.Error, 0, wire),
        };
    }

    /// <summary>Asks for data.</summary>
    /// <param name="endpoint">From which endpoint.</param>
    /// <param name="toggle">Whether DATA1 is expected.</param>
    /// <param name="packet">Room for a packet.</param>
    public Transaction Receive(XhciEndpoint endpoint, bool toggle, Span<byte> packet)
    {
        _reply = default;
        if (Reach(endpoint) is not { } bus)
            return new(TransactionOutcome.Error, 0, Cost(endpoint, 0, isIn: true, isAnswered: false));
        statistics.Transactions++;
        if (endpoint.Slot.Translator is not null)
            return ReceiveSplit(endpoint, bus, toggle, packet);
        _token = TokenOf(endpoint, UsbPid.In);
        _reply = bus.In(_token, packet);
        uint wire = Cost(endpoint, _reply.Length, isIn: true, isAnswered: _reply.Pid != UsbPid.None);
        return Judge(endpoint, toggle, wire);
    }

    /// <summary>Ends the last <see cref="Receive"/> that brought data.</summary>
    /// <param name="endpoint">From which endpoint.</param>
    /// <param name="packet">The data.</param>
    /// <param name="isTaken">Whether the host takes it; isochronous data is never acknowledged.</param>
    public void Acknowledge(XhciEndpoint endpoint, ReadOnlySpan<byte> packet, bool isTaken)
    {
        if (_reply.IsData && !_token.IsSplit)
            endpoint.Slot.Port?.Bus.EndIn(_token, _reply, packet, isTaken && endpoint.TransferType != TransferType.Isochronous);
    }

    /// <summary>A transfer has ended; whoever watches the bus is told.</summary>
    /// <remarks>The last packet on any bus may have been that of another endpoint, or of none: the token is made anew.</remarks>
    public static void End(XhciEndpoint endpoint, TransferOutcome outcome) =>
        endpoint.Slot.Port?.Bus.EndTransfer(TokenOf(endpoint, endpoint.IsIn ? UsbPid.In : UsbPid.Out), endpoint.TransferType, outcome);

    // The bus, while the port carries packets at the speed that the slot context says.
    private static UsbBus? Reach(XhciEndpoint endpoint)
    {
        if (endpoint.Slot.Port is not { Socket.Passes: true } port)
            return null;
        bool fits = endpoint.Slot switch
        {
            { Translator: not null } => port.Socket.Speed == UsbSpeed.High,
            { Context.Route: not 0 } => true,
            { Speed: var speed } => speed == port.Socket.Speed,
        };
        return fits ? port.Bus : null;
    }

    private Transaction SendSplit(XhciEndpoint endpoint, UsbBus bus, UsbPid pid, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        if (endpoint.TransferType == TransferType.Isochronous)
            return SendPart(endpoint, bus, dataPid, data);
        _token = TokenOf(endpoint, pid) with { Split = SplitOf(endpoint, endpoint.SplitStarted) };
        if (!endpoint.SplitStarted)
            return Started(endpoint, bus.Out(_token, dataPid, data), data.Length);
        UsbReply reply = bus.In(_token, default);
        uint wire = reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(0) : WireTime.HighSpeed(0);
        return reply.Pid switch
        {
            UsbPid.Nyet => Wait(endpoint, wire),
            UsbPid.Ack => Over(endpoint, TransactionOutcome.Done, wire),
            UsbPid.Nak when pid != UsbPid.Setup => Over(endpoint, TransactionOutcome.Nak, wire),
            UsbPid.Stall => Over(endpoint, TransactionOutcome.Stall, wire),
            UsbPid.Error => Over(endpoint, TransactionOutcome.SplitError, wire),
            _ => Over(endpoint, TransactionOutcome.Error, wire),
        };
    }

    // An isochronous payload goes to the translator as fast as the bus below takes it: one part in a microframe, and no answer.
    private Transaction SendPart(XhciEndpoint endpoint, UsbBus bus, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        int from = Math.Min(endpoint.SplitBytes, data.Length);
        ReadOnlySpan<byte> part = data[from..Math.Min(from + PartMax, data.Length)];
        bool isLast = from + part.Length == data.Length;
        SplitToken split = SplitOf(endpoint, isComplete: false) with { SpeedOrStart = from == 0, End = isLast };
        _token = TokenOf(endpoint, UsbPid.Out) with { Split = split };
        _ = bus.Out(_token, dataPid, part);
        endpoint.SplitBytes = from + part.Length;
        uint wire = WireTime.HighSpeedIsochronous(part.Length);
        return isLast ? Over(endpoint, TransactionOutcome.Done, wire) : new(TransactionOutcome.Pending, 0, wire);
    }

    private Transaction ReceiveSplit(XhciEndpoint endpoint, UsbBus bus, bool toggle, Span<byte> packet)
    {
        _token = TokenOf(endpoint, UsbPid.In) with { Split = SplitOf(endpoint, endpoint.SplitStarted) };
        if (!endpoint.SplitStarted)
            return Started(endpoint, bus.Out(_token, UsbPid.None, default), 0);
        byte[] whole = endpoint.SplitData ??= new byte[UsbBus.PacketMax];
        _reply = bus.In(_token, packet);
        uint wire = _reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(0) : WireTime.HighSpeed(_reply.Length);
        if (_reply.IsData)
            bus.EndIn(_token, _reply, packet[.._reply.Length], acknowledged: false);
        if (_reply.IsData && endpoint.SplitBytes + _reply.Length <= whole.Length)
        {
            packet[.._reply.Length].CopyTo(whole.AsSpan(endpoint.SplitBytes));
            endpoint.SplitBytes += _reply.Length;
            if (_reply.Pid == UsbPid.DataM)
                return Wait(endpoint, wire);
            int length = endpoint.SplitBytes;
            whole.AsSpan(0, length).CopyTo(packet);
            bool isNew = endpoint.TransferType == TransferType.Isochronous || (_reply.Pid == UsbPid.Data1) == toggle;
            return Over(endpoint, isNew ? TransactionOutcome.Done : TransactionOutcome.Repeated, wire) with { Length = length };
        }

        return _reply.Pid switch
        {
            UsbPid.Nyet => Wait(endpoint, wire),
            UsbPid.Nak => Over(endpoint, TransactionOutcome.Nak, wire),
            UsbPid.Stall => Over(endpoint, TransactionOutcome.Stall, wire),
            UsbPid.Error => Over(endpoint, TransactionOutcome.SplitError, wire),
            _ => Over(endpoint, TransactionOutcome.Error, wire),
        };
    }

    // Control and bulk get a handshake of the translator; for periodic endpoints silence is the rule.
    private static Transaction Started(XhciEndpoint endpoint, UsbReply reply, int bytes)
    {
        uint wire = !endpoint.IsPeriodic && reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(bytes) : WireTime.HighSpeed(bytes);
        if (reply.Pid == UsbPid.Ack || endpoint.IsPeriodic)
        {
            (endpoint.SplitStarted, endpoint.SplitWaits, endpoint.SplitBytes) = (true, 0, 0);
            return new(TransactionOutcome.Pending, 0, wire);
        }

        return new(reply.Pid == UsbPid.Nak ? TransactionOutcome.Nak : TransactionOutcome.Error, 0, wire);
    }

    private static Transaction Wait(XhciEndpoint endpoint, uint wire) =>
        endpoint.IsPeriodic && ++endpoint.SplitWaits > PeriodicWaitsMax
            ? Over(endpoint, TransactionOutcome.SplitError, wire)
            : new(TransactionOutcome.Pending, 0, wire);

    private static Transaction Over(XhciEndpoint endpoint, TransactionOutcome outcome, uint wire)
    {
        endpoint.ForgetSplit();
        return new(outcome, 0, wire);
    }

    private Transaction Judge(XhciEndpoint endpoint, bool toggle, uint wire)
    {
        if (_reply.IsData)
        {
            bool isNew = endpoint.TransferType == TransferType.Isochronous || (_reply.Pid == UsbPid.Data1) == toggle;
            return new(isNew ? TransactionOutcome.Done : TransactionOutcome.Repeated, _reply.Length, wire) { Pid = _reply.Pid };
        }

        return _reply.Pid switch
        {
            UsbPid.Nak => new(TransactionOutcome.Nak, 0, wire),
            UsbPid.Stall => new(TransactionOutcome.Stall, 0, wire),
            _ => new(TransactionOutcome.Error, 0, wire),
        };
    }

    private static uint Cost(XhciEndpoint endpoint, int bytes, bool isIn, bool isAnswered) => endpoint.Slot switch
    {
        { Speed: UsbSpeed.Low, Translator: null } => isAnswered ? WireTime.LowSpeed(bytes, isIn) : WireTime.LowSpeedUnanswered(bytes, isIn),
        { Speed: UsbSpeed.Full, Translator: null } when endpoint.TransferType == TransferType.Isochronous => WireTime.FullSpeedIsochronous(bytes, isIn),
        { Speed: UsbSpeed.Full, Translator: null } => isAnswered ? WireTime.FullSpeed(bytes) : WireTime.FullSpeedUnanswered(bytes),
        { Speed: UsbSpeed.Super } => WireTime.SuperSpeed(bytes),
        _ when endpoint.TransferType == TransferType.Isochronous => WireTime.HighSpeedIsochronous(bytes),
        _ => isAnswered ? WireTime.HighSpeed(bytes) : WireTime.HighSpeedUnanswered(bytes),
    };

    private static UsbToken TokenOf(XhciEndpoint endpoint, UsbPid pid) =>
        new(pid, endpoint.Slot.Address, endpoint.Number) { Stream = endpoint.Streams.Current };

    private static SplitToken SplitOf(XhciEndpoint endpoint, bool isComplete) => new()
    {
        Pid = UsbPid.Split,
        HubAddress = endpoint.Slot.Translator!.Address,
        Port = (byte)(endpoint.Slot.Context.TranslatorPort & 0x7F),
        Complete = isComplete,
        SpeedOrStart = endpoint.Slot.Speed == UsbSpeed.Low,
        EndpointType = endpoint.TransferType,
    };
}
