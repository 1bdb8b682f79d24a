using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes the transfer rings of isochronous endpoints: a transfer descriptor in each service interval, whether it succeeds or not (xHCI, isochronous transfers).</summary>
/// <remarks>
/// A transfer descriptor names its frame, or asks for the next interval. One whose frame has passed is given up and told as a
/// missed service; a ring that is empty when service is due is told once as an underrun or overrun. The endpoint never halts for what happens on the wire.
/// </remarks>
internal sealed class XhciIsochronousExecutor(
    XhciMemory memory, TransferWindow window, Transactor transactor, Interrupters events, DeviceContexts contexts, XhciOptions options)
{
    private const int LookedMax = 16;
    private const int SplitGap = 2;
    private const int FrameMask = 0x7FF;
    private const int FramesAhead = FrameMask / 2;

    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];

    // Whoever watches the bus was told already how the transfer of this visit ended.
    private bool _isGivenUp;

    /// <inheritdoc cref="TransferExecutor.Visit"/>
    public EndpointVisit Visit(XhciEndpoint endpoint, ulong microframe, uint budgetNs)
    {
        for (int looked = 0; looked < LookedMax; looked++)
        {
            if (endpoint.IsSkipping && window.Skip(endpoint) is not RingOutcome.Ready and var skipped)
                return Waits(endpoint, skipped, microframe);
            RingOutcome outcome = window.Look(endpoint, out Trb trb);
            if (outcome != RingOutcome.Ready)
                return Waits(endpoint, outcome, microframe);
            if (!events.HasRoom(new NormalTrb(trb.Raw).Interrupter))
                return new(EndpointVisit.Kind.Again, options.FetchNs, microframe + 1);
            endpoint.IsInFlight = true;
            if (trb.Type is TrbType.EventData or TrbType.NoOp)
            {
                window.PassBehind(endpoint, trb);
                continue;
            }

            if (trb.Type != TrbType.Isochronous)
                return Refuse(endpoint, trb);
            if (endpoint.SplitStarted || endpoint.SplitBytes != 0)
                return Serve(endpoint, trb, microframe, budgetNs);
            ulong due = DueOf(new(trb.Raw), microframe);
            if (due > microframe)
                return new(EndpointVisit.Kind.Again, options.FetchNs, due);
            if (due == microframe)
                return Serve(endpoint, trb, microframe, budgetNs);
            GiveUp(endpoint, trb, CompletionCode.MissedService, TransferOutcome.Missed);
        }

        return new(EndpointVisit.Kind.Again, LookedMax * options.FetchNs, microframe + 1);
    }

    // The microframe in which a transfer descriptor wants to be served: this one, a later one, or one that has passed.
    private static ulong DueOf(IsochronousTrb trb, ulong microframe)
    {
        if (trb.AsSoonAsPossible)
            return microframe;
        ulong frame = microframe >> 3;
        int ahead = (trb.Frame - (int)(frame & FrameMask)) & FrameMask;
        if (ahead == 0)
            return microframe;
        return ahead <= FramesAhead ? (frame + (ulong)ahead) << 3 : 0;
    }

    private EndpointVisit Waits(XhciEndpoint endpoint, RingOutcome outcome, ulong microframe)
    {
        switch (outcome)
        {
            case RingOutcome.Fault:
                return new(EndpointVisit.Kind.Fault);
            case RingOutcome.Empty:
                if (!endpoint.IsStarved)
                {
                    CompletionCode code = endpoint.IsIn ? CompletionCode.RingOverrun : CompletionCode.RingUnderrun;
                    events.Add(endpoint.Slot.Context.Interrupter, new(TransferWindow.EventOf(endpoint, code).Raw));
                }

                endpoint.IsStarved = true;
                return new(EndpointVisit.Kind.Idle);
            default:
                return new(EndpointVisit.Kind.Again, LookedMax * options.FetchNs, microframe + 1);
        }
    }

    private EndpointVisit Serve(XhciEndpoint endpoint, in Trb first, ulong microframe, uint budgetNs)
    {
        Trb trb = first;
        uint wire = 0;
        int left = endpoint.Burst;
        (endpoint.IsStarved, _isGivenUp) = (false, false);
        for (int packet = 0; packet < endpoint.Burst; packet++)
        {
            switch (window.Build(endpoint, endpoint.IsIn, trb))
            {
                case TransferWindow.Outcome.Fault:
                    return new(EndpointVisit.Kind.Fault);
                case TransferWindow.Outcome.Incomplete:
                    return new(EndpointVisit.Kind.Idle);
                case TransferWindow.Outcome.Bad:
                    return Refuse(endpoint, trb);
                default:
                    break;
            }

            if (Transactor.WorstNs(endpoint, window.Bytes, endpoint.IsIn) > budgetNs - wire)
            {
                if (packet == 0)
                    return new(EndpointVisit.Kind.NoTime);
                break;
            }

            left--;
            Transaction done = endpoint.IsIn ? In(endpoint, trb, ref left) : Out(endpoint, trb, packet);
            wire = Math.Min(wire + done.WireNs, budgetNs);
            if (memory.HasFailed)
                return new(EndpointVisit.Kind.Fault);
            if (done.Outcome == TransactionOutcome.Pending)
                return new(EndpointVisit.Kind.Again, wire, microframe + (endpoint is { IsIn: true, SplitWaits: 0 } ? SplitGap : 1ul));
            if (left == 0 || window.HasEnded || endpoint.IsSkipping || window.Look(endpoint, out trb) != RingOutcome.Ready || !TransferWindow.CarriesData(trb.Type))
                break;
        }

        Finish(endpoint);
        if (endpoint.IsSkipping && window.Skip(endpoint) == RingOutcome.Fault)
            return new(EndpointVisit.Kind.Fault);
        return new(EndpointVisit.Kind.Again, wire, ((microframe / endpoint.Period) + 1) * endpoint.Period);
    }

    // What only tells of the transfer belongs to its interval too; data that is left is more than an interval holds.
    private void Finish(XhciEndpoint endpoint)
    {
        for (int passed = 0; passed < LookedMax && !window.HasEnded && !endpoint.IsSkipping; passed++)
        {
            if (window.Look(endpoint, out Trb trb) != RingOutcome.Ready)
                return;
            if (trb.Type == TrbType.EventData)
                window.Pass(endpoint, trb);
            else if (TransferWindow.CarriesData(trb.Type))
                GiveUp(endpoint, trb, CompletionCode.BandwidthOverrun, TransferOutcome.BufferError);
            else
                return;
        }

        if (!_isGivenUp && (window.HasEnded || endpoint.IsSkipping))
            Transactor.End(endpoint, TransferOutcome.Completed);
    }

    private Transaction Out(XhciEndpoint endpoint, in Trb trb, int packet)
    {
        Span<byte> data = _packet.AsSpan(0, window.Bytes);
        if (!window.TryGather(data))
        {
            GiveUp(endpoint, trb, CompletionCode.DataBufferError, TransferOutcome.BufferError);
            return default;
        }

        // The last packet of a microframe tells how many there were.
        UsbPid pid = !window.EndsTransfer && packet + 1 < endpoint.Burst ? UsbPid.DataM : packet switch
        {
            0 => UsbPid.Data0,
            1 => UsbPid.Data1,
            _ => UsbPid.Data2,
        };
        Transaction done = transactor.Send(endpoint, UsbPid.Out, endpoint.Slot.Speed == UsbSpeed.High ? pid : UsbPid.Data0, data);
        if (done.Outcome == TransactionOutcome.Done)
            window.Commit(endpoint, data.Length, isShort: false);
        else if (done.Outcome != TransactionOutcome.Pending)
            GiveUp(endpoint, trb, CompletionCode.TransactionError, TransferOutcome.TransactionError);
        return done;
    }

    // At high speed the device says with each packet how many still follow: what it does not send, it is not asked for.
    private Transaction In(XhciEndpoint endpoint, in Trb trb, ref int left)
    {
        Transaction done = transactor.Receive(endpoint, toggle: false, _packet);
        if (done.Outcome == TransactionOutcome.Pending)
            return done;
        if (done.Outcome != TransactionOutcome.Done)
        {
            CompletionCode code = done.Outcome == TransactionOutcome.SplitError ? CompletionCode.SplitError : CompletionCode.TransactionError;
            GiveUp(endpoint, trb, code, TransferOutcome.TransactionError);
            return done;
        }

        ReadOnlySpan<byte> data = _packet.AsSpan(0, Math.Min(done.Length, _packet.Length));
        transactor.Acknowledge(endpoint, data, isTaken: false);
        int following = endpoint is { Slot.Speed: UsbSpeed.High, Burst: > 1 } ? HighBandwidth.Following(done.Pid) : left;
        bool isOrderly = following >= 0 && following <= left;
        left = isOrderly ? following : 0;
        if (!isOrderly)
            GiveUp(endpoint, trb, CompletionCode.TransactionError, TransferOutcome.TransactionError);
        else if (done.Length > endpoint.MaxPacket)
            GiveUp(endpoint, trb, CompletionCode.Babble, TransferOutcome.Babble);
        else if (done.Length > window.Bytes)
            GiveUp(endpoint, trb, CompletionCode.IsochronousBufferOverrun, TransferOutcome.BufferError);
        else if (!window.TryScatter(data))
            GiveUp(endpoint, trb, CompletionCode.DataBufferError, TransferOutcome.BufferError);
        else
            window.Commit(endpoint, data.Length, isShort: data.Length < window.Bytes || (left == 0 && endpoint.Burst > 1 && !window.EndsTransfer));
        return done;
    }

    // The rest of a transfer descriptor is given up; the endpoint goes on with the next one.
    private void GiveUp(XhciEndpoint endpoint, in Trb trb, CompletionCode code, TransferOutcome outcome)
    {
        if (memory.HasFailed)
            return;
        _isGivenUp = true;
        bool chain = new NormalTrb(trb.Raw).Chain;
        window.TellFailure(endpoint, trb, code);
        endpoint.ForgetSplit();
        Transactor.End(endpoint, outcome);
        window.Advance(endpoint, chain);
        if (chain)
            TransferWindow.BeginSkip(endpoint, code, isTold: true);
    }

    private EndpointVisit Refuse(XhciEndpoint endpoint, in Trb trb)
    {
        window.TellFailure(endpoint, trb, CompletionCode.TrbError);
        endpoint.State = EndpointState.Error;
        endpoint.ForgetSplit();
        endpoint.Deactivate();
        _ = contexts.TryWrite(endpoint);
        return new(EndpointVisit.Kind.Idle);
    }
}
