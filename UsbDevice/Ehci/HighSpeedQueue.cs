using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The transactions of queue heads of high-speed endpoints (EHCI, managing transfers by queue heads).</summary>
internal sealed class HighSpeedQueue(QueueTransfer transfer, EhciWire wire, IScheduleEvents events)
{
    // Longer than any packet: what a device sends too much lands here too, and is seen.
    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];
    private readonly TransferPages _pages = new();

    /// <summary>Executes one transaction. The result says whether it took place; <see cref="QueueRun.IsOver"/> whether another may follow.</summary>
    public VisitOutcome Transact(ref QueueRun run)
    {
        TransferToken token = run.Token;
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        int length = QueueTransfer.NextPacket(run);
        bool isPing = token is { Ping: true, PacketId: PacketId.Out } && !run.Context.IsPeriodic;
        bool sends = token.PacketId != PacketId.In && !isPing;
        UsbToken packet = new(PidOf(token.PacketId, isPing), (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint);
        run.IsInside = wire.IsInside(packet);

        // Never start what cannot end within the microframe, an answer that does not come included.
        uint worst = Math.Max(WireTime.HighSpeed(isPing ? 0 : length), WireTime.HighSpeedUnanswered(sends ? length : 0));
        if (worst > run.LeftNs && !run.IsInside)
            return VisitOutcome.NoTime;
        run.IsDirty = true;

        // A buffer that runs past its fifth page is the software's mistake; nothing is moved.
        if (QueueTransfer.LeavesBuffer(run, length))
        {
            run.Spend(WireTime.HighSpeed(0));
            transfer.Halt(ref run, token with { BufferError = true });
            return run.Done;
        }

        wire.Expect(token.TotalBytes);
        if (isPing)
            return Answered(ref run, wire.Ping(packet), sent: 0, isPing: true);
        if (packet.Pid is UsbPid.In or UsbPid.Out && !run.Context.IsPeriodic && wire.DirectAt(packet) is { } direct)
        {
            QueueTransfer.Describe(run, _pages);
            if (direct.Move(packet, token.DataToggle, length, _pages) is { } moved)
                return moved.IsData ? Taken(ref run, packet, moved, default, length) : Answered(ref run, moved, packet.Pid == UsbPid.Out ? length : 0, isPing: false);
        }

        if (token.PacketId == PacketId.In)
            return wire.Holds(packet, default) ? VisitOutcome.Skipped : In(ref run, packet, length);
        Span<byte> data = _packet.AsSpan(0, length);
        if (!transfer.TryGather(run, data))
            return VisitOutcome.Fault;
        if (wire.Holds(packet, data))
            return VisitOutcome.Skipped;
        UsbReply reply = packet.Pid == UsbPid.None
            ? UsbReply.Silence
            : wire.Out(packet, token.DataToggle ? UsbPid.Data1 : UsbPid.Data0, data);
        return Answered(ref run, reply, length, isPing: false);
    }

    private VisitOutcome In(ref QueueRun run, in UsbToken packet, int room)
    {
        UsbReply reply = wire.In(packet, _packet);
        if (!reply.IsData)
            return Answered(ref run, reply, sent: 0, isPing: false);
        TransferToken token = run.Token;
        ReadOnlySpan<byte> data = _packet.AsSpan(0, reply.Length);

        // More than was asked for: babble, and no acknowledgement.
        uint wireNs = WireTime.HighSpeed(reply.Length);
        if (reply.Length > room)
        {
            wire.EndIn(packet, reply, data, acknowledged: false);
            if (wireNs > run.LeftNs && !run.IsInside)
                events.BabbledPastMicroframe(packet.Address);
            run.Spend(wireNs);
            transfer.Halt(ref run, token with { Babble = true });
            return run.Done;
        }

        return Taken(ref run, packet, reply, data, room);
    }

    // A packet came that fits; there is no data where it lies in its place already.
    private VisitOutcome Taken(ref QueueRun run, in UsbToken packet, UsbReply reply, ReadOnlySpan<byte> data, int room)
    {
        TransferToken token = run.Token;
        run.Spend(WireTime.HighSpeed(reply.Length));

        // The device repeats what it sent before because it missed the acknowledgement: acknowledge, and drop it.
        if ((reply.Pid == UsbPid.Data1) != token.DataToggle)
        {
            wire.EndIn(packet, reply, data, acknowledged: true);
            return VisitOutcome.Transacted;
        }

        if (!transfer.TryScatter(run, 0, data))
            return VisitOutcome.Fault;
        wire.EndIn(packet, reply, data, acknowledged: true);
        transfer.Moved(ref run, token, reply.Length, isShort: reply.Length < room || (room == 0 && token.TotalBytes != 0));
        return run.Done;
    }

    // What follows from a handshake, or from silence.
    private VisitOutcome Answered(ref QueueRun run, UsbReply reply, int sent, bool isPing)
    {
        TransferToken token = run.Token;
        bool mayPing = token.PacketId == PacketId.Out && !run.Context.IsPeriodic;
        run.Spend(reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(sent) : WireTime.HighSpeed(sent));
        switch (reply.Pid)
        {
            case UsbPid.Ack when isPing:
                run.SetToken(token with { Ping = false });
                break;
            case UsbPid.Ack when token.PacketId != PacketId.In:
                transfer.Moved(ref run, token with { Ping = false }, sent, isShort: false);
                break;
            case UsbPid.Nyet when token.PacketId == PacketId.Out && !isPing:
                QueueTransfer.CountNak(ref run);
                transfer.Moved(ref run, token with { Ping = mayPing }, sent, isShort: false);
                break;

            // A device must take a SETUP: a NAK to it is no answer at all.
            case UsbPid.Nak when token.PacketId != PacketId.Setup:
                run.IsOver = true;
                run.SetToken(token with { Ping = mayPing || token.Ping });
                QueueTransfer.CountNak(ref run);
                break;
            case UsbPid.Stall:
                transfer.Halt(ref run, token);
                break;
            default:
                transfer.Failed(ref run, token with { TransactionError = true, Ping = mayPing || token.Ping });
                break;
        }

        return run.Done;
    }

    private static UsbPid PidOf(PacketId packetId, bool isPing) => packetId switch
    {
        PacketId.Out => isPing ? UsbPid.Ping : UsbPid.Out,
        PacketId.In => UsbPid.In,
        PacketId.Setup => UsbPid.Setup,

        // The fourth code is no token: whatever goes out, nobody answers it.
        _ => UsbPid.None,
    };
}
