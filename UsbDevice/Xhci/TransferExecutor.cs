using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes the transfer rings of control, bulk and interrupt endpoints, a packet or a burst at a time (xHCI, transfer ring operation).</summary>
internal sealed class TransferExecutor(
    XhciMemory memory, TransferWindow window, Transactor transactor, XhciIsochronousExecutor isochronous, Interrupters events, DeviceContexts contexts, XhciOptions options, XhciStatistics statistics)
{
    // TRBs that move nothing, in one visit.
    private const int LookedMax = 16;

    // A translator has the result of a periodic transaction two microframes later at the earliest.
    private const int SplitGap = 2;

    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];

    /// <summary>Gives an endpoint its turn.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="microframe">The microframe that it is, counted without end.</param>
    /// <param name="budgetNs">Nanoseconds that are left of it.</param>
    public EndpointVisit Visit(XhciEndpoint endpoint, ulong microframe, uint budgetNs)
    {
        statistics.Visits++;
        if (endpoint.TransferType == TransferType.Isochronous)
            return isochronous.Visit(endpoint, microframe, budgetNs);
        if (endpoint.Streams.Exist && endpoint.Streams.Current == 0 && !TryBeginStream(endpoint))
            return memory.HasFailed ? new(EndpointVisit.Kind.Fault) : new(EndpointVisit.Kind.Idle);
        for (int looked = 0; looked < LookedMax; looked++)
        {
            if (endpoint.IsSkipping)
            {
                RingOutcome skipped = window.Skip(endpoint);
                if (skipped == RingOutcome.Ready)
                    Transactor.End(endpoint, TransferOutcome.Completed);
                else
                    return Waits(endpoint, skipped, microframe);
            }

            RingOutcome outcome = window.Look(endpoint, out Trb trb);
            if (outcome != RingOutcome.Ready)
                return Waits(endpoint, outcome, microframe);
            if (!events.HasRoom(new NormalTrb(trb.Raw).Interrupter))
                return Later(options.FetchNs, microframe);
            endpoint.IsInFlight = true;
            if (trb.Type is not (TrbType.EventData or TrbType.NoOp))
                return Execute(endpoint, trb, microframe, budgetNs);
            window.PassBehind(endpoint, trb);
        }

        return Later(LookedMax * options.FetchNs, microframe);
    }

    private static EndpointVisit Later(uint wireNs, ulong microframe) => new(EndpointVisit.Kind.Again, wireNs, microframe + 1);

    private bool TryBeginStream(XhciEndpoint endpoint)
    {
        CompletionCode code = endpoint.Streams.Next(memory, out RingCursor ring);
        if (code == CompletionCode.Success)
            endpoint.Rewind(ring);
        else if (code != CompletionCode.None)
            Fail(endpoint, default, code, EndpointState.Error);
        return code == CompletionCode.Success;
    }

    // Nothing on the ring that could be done now.
    private EndpointVisit Waits(XhciEndpoint endpoint, RingOutcome outcome, ulong microframe)
    {
        switch (outcome)
        {
            case RingOutcome.Fault:
                return new(EndpointVisit.Kind.Fault);
            case RingOutcome.Empty when endpoint.Streams.Exist && endpoint is { IsSkipping: false, Moved: 0 }:
                endpoint.Streams.PutAside(memory, endpoint.Ring, hasWork: false);
                return endpoint.Streams.HasWaiting ? new(EndpointVisit.Kind.Again, options.FetchNs, microframe) : new(EndpointVisit.Kind.Idle);
            case RingOutcome.Empty:
                return new(EndpointVisit.Kind.Idle);
            default:
                return Later(LookedMax * options.FetchNs, microframe);
        }
    }

    private EndpointVisit Execute(XhciEndpoint endpoint, in Trb trb, ulong microframe, uint budgetNs)
    {
        bool isControl = endpoint.TransferType == TransferType.Control;
        switch (trb.Type)
        {
            case TrbType.Setup when isControl:
                return Setup(endpoint, trb, microframe, budgetNs);
            case TrbType.Status when isControl:
                return Status(endpoint, trb, microframe, budgetNs);
            case TrbType.Data when isControl:
                endpoint.IsControlIn = new DataTrb(trb.Raw).In;
                return Packets(endpoint, trb, endpoint.IsControlIn, microframe, budgetNs);
            case TrbType.Normal:
                return Packets(endpoint, trb, isControl ? endpoint.IsControlIn : endpoint.IsIn, microframe, budgetNs);
            default:
                return Fail(endpoint, trb, CompletionCode.TrbError, EndpointState.Error);
        }
    }

    private EndpointVisit Setup(XhciEndpoint endpoint, in Trb trb, ulong microframe, uint budgetNs)
    {
        SetupTrb setup = new(trb.Raw);
        if (!setup.Immediate || setup.Length != SetupPacket.Size)
            return Fail(endpoint, trb, CompletionCode.TrbError, EndpointState.Error);
        if (Transactor.WorstNs(endpoint, SetupPacket.Size, isIn: false) > budgetNs)
            return new(EndpointVisit.Kind.NoTime);
        Span<byte> packet = stackalloc byte[SetupPacket.Size];
        BinaryPrimitives.WriteUInt64LittleEndian(packet, trb.Parameter);
        Transaction done = transactor.Send(endpoint, UsbPid.Setup, UsbPid.Data0, packet);
        if (done.Outcome != TransactionOutcome.Done)
            return Answered(endpoint, trb, done, microframe);
        endpoint.ErrorsLeft = endpoint.Context.ErrorCount;
        (endpoint.Toggle, endpoint.IsControlIn) = (true, setup.TransferType == SetupTransferType.In);
        _ = endpoint.TakeEventLength();
        window.Pass(endpoint, trb);
        return new(EndpointVisit.Kind.Again, done.WireNs, microframe);
    }

    private EndpointVisit Status(XhciEndpoint endpoint, in Trb trb, ulong microframe, uint budgetNs)
    {
        bool isIn = new StatusTrb(trb.Raw).In;
        if (Transactor.WorstNs(endpoint, 0, isIn) > budgetNs)
            return new(EndpointVisit.Kind.NoTime);
        Transaction done = isIn
            ? transactor.Receive(endpoint, toggle: true, _packet)
            : transactor.Send(endpoint, UsbPid.Out, UsbPid.Data1, default);
        if (done.Outcome != TransactionOutcome.Done)
            return Answered(endpoint, trb, done, microframe);
        transactor.Acknowledge(endpoint, _packet.AsSpan(0, done.Length), isTaken: done.Length == 0);
        if (done.Length != 0)
            return Fail(endpoint, trb, CompletionCode.Babble, EndpointState.Halted) with { WireNs = done.WireNs };
        endpoint.ErrorsLeft = endpoint.Context.ErrorCount;
        window.Pass(endpoint, trb);
        Transactor.End(endpoint, TransferOutcome.Completed);
        return new(EndpointVisit.Kind.Again, done.WireNs, microframe);
    }

    // The packets of a burst follow each other without waiting, until one is not taken or the transfer descriptor ends.
    private EndpointVisit Packets(XhciEndpoint endpoint, in Trb first, bool isIn, ulong microframe, uint budgetNs)
    {
        Trb trb = first;
        EndpointVisit burst = default;
        uint turnNs = endpoint.Slot.Speed == UsbSpeed.Super ? WireTime.SuperSpeedBurst : 0;
        budgetNs -= Math.Min(turnNs, budgetNs);
        for (int packet = 0; packet < endpoint.Burst; packet++)
        {
            EndpointVisit visit = Packet(endpoint, trb, isIn, microframe, budgetNs - Math.Min(burst.WireNs, budgetNs), out bool isMoved);
            if (visit.Outcome is EndpointVisit.Kind.NoTime && packet != 0)
                break;
            burst = visit with { WireNs = burst.WireNs + visit.WireNs };
            if (!isMoved || window.HasEnded || endpoint.IsSkipping || window.Look(endpoint, out trb) != RingOutcome.Ready || !TransferWindow.CarriesData(trb.Type))
                break;
        }

        if (memory.HasFailed)
            return new(EndpointVisit.Kind.Fault);
        return burst.WireNs == 0 ? burst : burst with { WireNs = burst.WireNs + turnNs };
    }

    private EndpointVisit Packet(XhciEndpoint endpoint, in Trb trb, bool isIn, ulong microframe, uint budgetNs, out bool isMoved)
    {
        isMoved = false;
        switch (window.Build(endpoint, isIn, trb))
        {
            case TransferWindow.Outcome.Fault:
                return new(EndpointVisit.Kind.Fault);
            case TransferWindow.Outcome.Incomplete:
                return new(EndpointVisit.Kind.Idle);
            case TransferWindow.Outcome.Bad:
                return Fail(endpoint, trb, CompletionCode.TrbError, EndpointState.Error);
            default:
                break;
        }

        // Empty TRBs behind the last packet of a transfer descriptor are no packet of their own.
        if (window.Bytes == 0 && endpoint.Moved != 0)
        {
            window.Commit(endpoint, 0, isShort: false);
            isMoved = true;
            return new(EndpointVisit.Kind.Again, options.FetchNs, microframe);
        }

        if (Transactor.WorstNs(endpoint, window.Bytes, isIn) > budgetNs)
            return new(EndpointVisit.Kind.NoTime);
        if (endpoint.Slot.Port is { } port)
            port.Bus.TransferBytesLeft = Math.Max(new NormalTrb(trb.Raw).Length - endpoint.Done, window.Bytes);
        return isIn ? In(endpoint, trb, microframe, out isMoved) : Out(endpoint, trb, microframe, out isMoved);
    }

    private EndpointVisit Out(XhciEndpoint endpoint, in Trb trb, ulong microframe, out bool isMoved)
    {
        isMoved = false;
        if (endpoint.Ping)
        {
            Transaction ping = transactor.Send(endpoint, UsbPid.Ping, UsbPid.None, default);
            return ping.Outcome == TransactionOutcome.Done
                ? new(EndpointVisit.Kind.Again, ping.WireNs, microframe)
                : Answered(endpoint, trb, ping, microframe);
        }

        Span<byte> data = _packet.AsSpan(0, window.Bytes);
        if (!window.TryGather(data))
            return BufferFailed(endpoint, trb);
        Transaction done = transactor.Send(endpoint, UsbPid.Out, endpoint.Toggle ? UsbPid.Data1 : UsbPid.Data0, data);
        if (done.Outcome != TransactionOutcome.Done)
            return Answered(endpoint, trb, done, microframe);
        isMoved = true;
        return Moved(endpoint, data.Length, isShort: false, done.WireNs, microframe);
    }

    private EndpointVisit In(XhciEndpoint endpoint, in Trb trb, ulong microframe, out bool isMoved)
    {
        isMoved = false;
        Transaction done = transactor.Receive(endpoint, endpoint.Toggle, _packet);
        if (done.Outcome == TransactionOutcome.Repeated)
        {
            // The device missed the acknowledgement: it gets another one, and what it sent is dropped.
            transactor.Acknowledge(endpoint, _packet.AsSpan(0, Math.Min(done.Length, _packet.Length)), isTaken: true);
            return new(EndpointVisit.Kind.Again, done.WireNs, NextTurn(endpoint, microframe));
        }

        if (done.Outcome != TransactionOutcome.Done)
            return Answered(endpoint, trb, done, microframe);
        ReadOnlySpan<byte> data = _packet.AsSpan(0, Math.Min(done.Length, _packet.Length));
        bool isBabble = done.Length > window.Bytes;
        bool isTaken = !isBabble && window.TryScatter(data);
        transactor.Acknowledge(endpoint, data, isTaken);
        if (isBabble)
            return Fail(endpoint, trb, CompletionCode.Babble, EndpointState.Halted) with { WireNs = done.WireNs };
        if (!isTaken)
            return BufferFailed(endpoint, trb) with { WireNs = done.WireNs };
        isMoved = true;
        return Moved(endpoint, data.Length, isShort: data.Length < window.Bytes, done.WireNs, microframe);
    }

    private EndpointVisit Moved(XhciEndpoint endpoint, int bytes, bool isShort, uint wireNs, ulong microframe)
    {
        endpoint.Toggle = !endpoint.Toggle;
        endpoint.ErrorsLeft = endpoint.Context.ErrorCount;
        window.Commit(endpoint, bytes, isShort);
        if (window.HasEnded && endpoint.TransferType != TransferType.Control)
            Transactor.End(endpoint, TransferOutcome.Completed);
        return new(EndpointVisit.Kind.Again, wireNs, NextTurn(endpoint, microframe));
    }

    // Everything but success.
    private EndpointVisit Answered(XhciEndpoint endpoint, in Trb trb, Transaction done, ulong microframe)
    {
        switch (done.Outcome)
        {
            case TransactionOutcome.Pending:
                ulong gap = endpoint.IsPeriodic && endpoint.SplitWaits == 0 ? SplitGap : 1ul;
                return new(EndpointVisit.Kind.Again, done.WireNs, microframe + gap);
            case TransactionOutcome.Nak:
                statistics.NotReady++;
                if (endpoint is { Slot.Speed: UsbSpeed.Super, TransferType: not TransferType.Control })
                    return NotReady(endpoint, done.WireNs, microframe);
                return new(EndpointVisit.Kind.Again, done.WireNs, Math.Max(NextTurn(endpoint, microframe), microframe + 1));
            case TransactionOutcome.Stall:
                return Fail(endpoint, trb, CompletionCode.Stall, EndpointState.Halted) with { WireNs = done.WireNs };
            default:
                // The counter that falls from one to zero halts; one that is zero never does.
                if (endpoint.Context.ErrorCount != 0 && --endpoint.ErrorsLeft <= 0)
                {
                    CompletionCode code = done.Outcome == TransactionOutcome.SplitError ? CompletionCode.SplitError : CompletionCode.TransactionError;
                    return Fail(endpoint, trb, code, EndpointState.Halted) with { WireNs = done.WireNs };
                }

                return new(EndpointVisit.Kind.Again, done.WireNs, microframe + 1);
        }
    }

    // NRDY: nobody asks again until the device says ERDY. Other streams may have work; one that was begun keeps its place.
    private EndpointVisit NotReady(XhciEndpoint endpoint, uint wireNs, ulong microframe)
    {
        if (!endpoint.Streams.Exist || endpoint is not { Moved: 0, Done: 0 })
            return new(EndpointVisit.Kind.Idle, wireNs);
        endpoint.Streams.PutAside(memory, endpoint.Ring, hasWork: false);
        return new(endpoint.Streams.HasWaiting ? EndpointVisit.Kind.Again : EndpointVisit.Kind.Idle, wireNs, microframe);
    }

    private EndpointVisit BufferFailed(XhciEndpoint endpoint, in Trb trb) =>
        memory.HasFailed ? new(EndpointVisit.Kind.Fault) : Fail(endpoint, trb, CompletionCode.DataBufferError, EndpointState.Halted);

    private EndpointVisit Fail(XhciEndpoint endpoint, in Trb trb, CompletionCode code, EndpointState state)
    {
        window.TellFailure(endpoint, trb, code);
        endpoint.Streams.PutAside(memory, endpoint.Ring, hasWork: false);
        endpoint.State = state;
        endpoint.ForgetSplit();
        endpoint.Deactivate();
        _ = contexts.TryWrite(endpoint);
        Transactor.End(endpoint, code switch
        {
            CompletionCode.Stall => TransferOutcome.Stalled,
            CompletionCode.Babble => TransferOutcome.Babble,
            CompletionCode.TransactionError or CompletionCode.SplitError => TransferOutcome.TransactionError,
            _ => TransferOutcome.BufferError,
        });
        return new(EndpointVisit.Kind.Idle);
    }

    private static ulong NextTurn(XhciEndpoint endpoint, ulong microframe) =>
        endpoint.IsPeriodic ? ((microframe / endpoint.Period) + 1) * endpoint.Period : microframe;
}
