using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The transactions of queue heads of full- and low-speed endpoints, by way of a transaction translator (EHCI, split transactions).</summary>
/// <remarks>
/// A split goes out in two halves: the start-split hands the transaction to the translator, complete-splits fetch what
/// became of it. SplitXstate says which half is next. Control and bulk take turns freely; an interrupt endpoint is bound
/// to the microframes of its masks, and what it missed it must notice.
/// </remarks>
internal sealed class SplitQueue(QueueTransfer transfer, EhciWire wire)
{
    // S-bytes has seven bits.
    private const int SplitBytesMax = 127;
    private const int FrameTagMask = 0x1F;

    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];

    /// <inheritdoc cref="HighSpeedQueue.Transact"/>
    public VisitOutcome Transact(ref QueueRun run)
    {
        // A buffer that runs past its fifth page is the software's mistake; nothing is moved.
        if (QueueTransfer.LeavesBuffer(run, QueueTransfer.NextPacket(run)))
        {
            run.Spend(WireTime.HighSpeed(0));
            transfer.Halt(ref run, run.Token with { BufferError = true });
            return run.Done;
        }

        if (!run.Token.SplitTransactionState)
            return Start(ref run);
        return run.Context.IsPeriodic ? CompletePeriodic(ref run) : CompleteAsync(ref run);
    }

    private VisitOutcome Start(ref QueueRun run)
    {
        TransferToken token = run.Token;
        int sent = token.PacketId == PacketId.In ? 0 : QueueTransfer.NextPacket(run);
        if (WireTime.HighSpeedUnanswered(sent) > run.LeftNs)
            return VisitOutcome.NoTime;
        run.IsDirty = run.IsOver = true;
        Span<byte> data = _packet.AsSpan(0, sent);
        if (!transfer.TryGather(run, data))
            return VisitOutcome.Fault;
        UsbToken packet = TokenOf(run.Head, complete: false, run.Context.IsPeriodic);
        if (wire.Holds(packet, data))
            return VisitOutcome.Skipped;
        UsbReply reply = packet.Pid switch
        {
            UsbPid.None => UsbReply.Silence,
            UsbPid.In => wire.Out(packet, UsbPid.None, default),
            _ => wire.Out(packet, token.DataToggle ? UsbPid.Data1 : UsbPid.Data0, data),
        };
        if (run.Context.IsPeriodic)
        {
            run.Spend(WireTime.HighSpeed(sent));
            Started(ref run);
        }
        else
        {
            run.Spend(reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(sent) : WireTime.HighSpeed(sent));
            Accepted(ref run, reply);
        }

        return run.Done;
    }

    // The translator's handshake to the start-split of a control or bulk endpoint.
    private void Accepted(ref QueueRun run, UsbReply reply)
    {
        TransferToken token = run.Token;
        switch (reply.Pid)
        {
            case UsbPid.Ack:
                run.SetToken(token with { SplitTransactionState = true, ErrorCount = ErrorCountAfterSuccess(token) });
                break;
            case UsbPid.Nak:
                QueueTransfer.CountNak(ref run);
                break;
            default:
                transfer.Failed(ref run, token with { TransactionError = true });
                break;
        }
    }

    private VisitOutcome CompleteAsync(ref QueueRun run)
    {
        TransferToken token = run.Token;
        int length = QueueTransfer.NextPacket(run);
        bool isIn = token.PacketId == PacketId.In;
        if (Math.Max(WireTime.HighSpeed(isIn ? length : 0), WireTime.HighSpeedUnanswered(0)) > run.LeftNs)
            return VisitOutcome.NoTime;
        run.IsDirty = run.IsOver = true;
        UsbReply reply = Ask(ref run);
        TransferToken over = token with { SplitTransactionState = false };
        switch (reply.Pid)
        {
            case UsbPid.Nyet:
                run.SetToken(token with { ErrorCount = ErrorCountAfterSuccess(token) });
                QueueTransfer.CountNak(ref run);
                break;

            // A device must take a SETUP: a NAK to it is an error.
            case UsbPid.Nak when token.PacketId != PacketId.Setup:
                run.SetToken(over);
                QueueTransfer.CountNak(ref run);
                break;
            case UsbPid.Ack when !isIn:
                transfer.Moved(ref run, over, length, isShort: false);
                break;
            case UsbPid.Data0 or UsbPid.Data1 when isIn:
                if (!Received(ref run, over, reply, before: 0))
                    return VisitOutcome.Fault;
                break;
            case UsbPid.Stall:
                transfer.Halt(ref run, over);
                break;
            case UsbPid.None:
                // The translator may have missed the token: it is asked again.
                transfer.Failed(ref run, token with { TransactionError = true });
                break;
            default:
                transfer.Failed(ref run, over with { TransactionError = true });
                break;
        }

        return run.Done;
    }

    private VisitOutcome CompletePeriodic(ref QueueRun run)
    {
        byte bit = run.Context.MicroframeBit;
        byte completeMask = run.Head.Capabilities.CompleteMask;
        byte progress = run.Head.Overlay.Page1.CompleteSplitProgress;

        // A: this microframe is one of the complete-splits. D: it is one of a start-split, so all of them were missed.
        bool isScheduled = (completeMask & bit) != 0;
        bool isTooLate = (run.Head.Capabilities.StartMask & bit) != 0 && !run.Context.IsRecovery;
        if (!isScheduled && !isTooLate)
            return VisitOutcome.Skipped;

        // B: still the frame that it belongs to. C: none before it was left out, and it was not done already.
        bool isInFrame = run.Head.Overlay.Page2.FrameTag == (int)(run.Context.FrameIndex >> 3 & FrameTagMask);
        bool isInOrder = SplitProgress.IsInOrder(completeMask, progress, bit) && (progress & bit) == 0;
        if (isTooLate || !isInFrame || !isInOrder)
        {
            Missed(ref run);
            return run.HasFault ? VisitOutcome.Fault : VisitOutcome.Skipped;
        }

        int room = run.Token.PacketId == PacketId.In ? QueueTransfer.NextPacket(run) : 0;
        if (Math.Max(WireTime.HighSpeed(room), WireTime.HighSpeedUnanswered(0)) > run.LeftNs)
            return VisitOutcome.NoTime;
        run.IsOver = true;
        progress |= bit;
        Track(ref run, progress, FrameTagNow(run, isStart: false), run.Head.Overlay.Page2.SplitBytes);
        UsbReply reply = AskPatiently(ref run);
        if (reply.Pid != UsbPid.None && !Answered(ref run, reply, isLast: (completeMask ^ progress) == 0))
            return VisitOutcome.Fault;
        return run.Done;
    }

    // A translator that does not answer an interrupt complete-split is asked again at once, as long as there is time.
    private UsbReply AskPatiently(ref QueueRun run)
    {
        while (true)
        {
            UsbReply reply = Ask(ref run);
            if (reply.Pid != UsbPid.None)
                return reply;
            TransferToken token = run.Token;
            transfer.Failed(ref run, token with { TransactionError = true });
            if (run.Token.Halted)
                return reply;
            if (WireTime.HighSpeedUnanswered(0) <= run.LeftNs)
                continue;

            // What an IN brought would be lost; an OUT can be done again.
            if (token.PacketId == PacketId.In)
                transfer.Halt(ref run, run.Token with { SplitTransactionState = false });
            else
                run.SetToken(run.Token with { SplitTransactionState = false });
            return reply;
        }
    }

    // What the translator says about an interrupt transaction; `false` where memory refused the data.
    private bool Answered(ref QueueRun run, UsbReply reply, bool isLast)
    {
        TransferToken token = run.Token;
        TransferToken over = token with { SplitTransactionState = false };
        int before = run.Head.Overlay.Page2.SplitBytes;
        switch (reply.Pid)
        {
            case UsbPid.Nyet when !isLast:
                return true;
            case UsbPid.Nak:
                run.SetToken(over);
                return true;
            case UsbPid.Ack when token.PacketId != PacketId.In:
                transfer.Moved(ref run, over, QueueTransfer.NextPacket(run), isShort: false);
                return true;
            case UsbPid.DataM when token.PacketId == PacketId.In && !isLast:
                return ReceivedPart(ref run, reply, before);
            case UsbPid.Data0 or UsbPid.Data1 when token.PacketId == PacketId.In:
                return Received(ref run, over, reply, before);
            case UsbPid.Stall:
                transfer.Halt(ref run, over);
                return true;
            case UsbPid.Error:
                transfer.Failed(ref run, over with { Ping = true });
                return true;
            default:
                // The last one, and still nothing: the start-split never arrived, or the masks are too short.
                transfer.Failed(ref run, over with { TransactionError = true });
                return true;
        }
    }

    // The last part of the data, or all of it.
    private bool Received(ref QueueRun run, TransferToken over, UsbReply reply, int before)
    {
        int room = QueueTransfer.NextPacket(run);
        int length = before + reply.Length;
        if (length > room)
        {
            transfer.Halt(ref run, over with { Babble = true });
            return true;
        }

        // The translator acknowledged what the device sent before, so the host just drops it.
        if ((reply.Pid == UsbPid.Data1) != over.DataToggle)
        {
            run.SetToken(over);
            return true;
        }

        if (!transfer.TryScatter(run, before, _packet.AsSpan(0, reply.Length)))
            return false;
        transfer.Moved(ref run, over, length, isShort: length < room || (room == 0 && over.TotalBytes != 0));
        return true;
    }

    private bool ReceivedPart(ref QueueRun run, UsbReply reply, int before)
    {
        int length = before + reply.Length;
        if (length > Math.Min(QueueTransfer.NextPacket(run), SplitBytesMax))
        {
            transfer.Halt(ref run, run.Token with { SplitTransactionState = false, Babble = true });
            return true;
        }

        Track(ref run, run.Head.Overlay.Page1.CompleteSplitProgress, run.Head.Overlay.Page2.FrameTag, length);
        return transfer.TryScatter(run, before, _packet.AsSpan(0, reply.Length));
    }

    private UsbReply Ask(ref QueueRun run)
    {
        UsbToken packet = TokenOf(run.Head, complete: true, run.Context.IsPeriodic);
        UsbReply reply = packet.Pid == UsbPid.None ? UsbReply.Silence : wire.In(packet, _packet);
        if (reply.IsData)
            wire.EndIn(packet, reply, _packet.AsSpan(0, reply.Length), acknowledged: false);
        run.Spend(reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(0) : WireTime.HighSpeed(reply.Length));
        return reply;
    }

    // Complete-splits were left out: what an IN brought is lost for good, an OUT is done again.
    private void Missed(ref QueueRun run)
    {
        TransferToken missed = run.Token with { MissedMicroframe = true, SplitTransactionState = false };
        run.IsOver = true;
        if (missed.PacketId == PacketId.In)
            transfer.Halt(ref run, missed);
        else
            run.SetToken(missed);
    }

    private static void Started(ref QueueRun run)
    {
        Track(ref run, progress: 0, FrameTagNow(run, isStart: true), splitBytes: 0);
        run.SetToken(run.Token with { SplitTransactionState = true });
    }

    // The frame in which the next complete-split is due: the next one, where this is the end of a frame.
    private static int FrameTagNow(in QueueRun run, bool isStart)
    {
        uint microframe = run.Context.FrameIndex & 7;
        bool isNext = microframe == 7 || (isStart && microframe == 6);
        return (int)((run.Context.FrameIndex >> 3) + (isNext ? 1u : 0)) & FrameTagMask;
    }

    private static void Track(ref QueueRun run, byte progress, int frameTag, int splitBytes)
    {
        run.IsDirty = true;
        TransferDescriptor overlay = run.Head.Overlay;
        run.Head = run.Head with
        {
            Overlay = overlay with
            {
                Page1 = overlay.Page1 with { CompleteSplitProgress = progress },
                Page2 = overlay.Page2 with { FrameTag = frameTag, SplitBytes = splitBytes },
            },
        };
    }

    // A SETUP does not reload the counter: three strikes are for the whole of it.
    private static int ErrorCountAfterSuccess(TransferToken token) =>
        token.PacketId == PacketId.Setup ? token.ErrorCount : QueueTransfer.Reloaded(token);

    private static UsbToken TokenOf(in QueueHead head, bool complete, bool isPeriodic)
    {
        EndpointCharacteristics endpoint = head.Characteristics;
        UsbPid pid = head.Overlay.Token.PacketId switch
        {
            PacketId.Out => UsbPid.Out,
            PacketId.In => UsbPid.In,
            PacketId.Setup => UsbPid.Setup,
            _ => UsbPid.None,
        };
        return new(pid, (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint)
        {
            Split = new()
            {
                Pid = UsbPid.Split,
                HubAddress = (byte)head.Capabilities.HubAddress,
                Port = (byte)head.Capabilities.HubPort,
                Complete = complete,
                SpeedOrStart = endpoint.Speed == EndpointSpeed.Low,
                EndpointType = isPeriodic ? TransferType.Interrupt
                    : endpoint.ControlEndpoint ? TransferType.Control
                    : TransferType.Bulk,
            },
        };
    }
}
