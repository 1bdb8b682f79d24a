using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes queue heads of both schedules at high speed (EHCI, managing transfers by queue heads).</summary>
/// <remarks>
/// Everything that a visit changes is written back before it returns: first the data, then the qTD that is retired,
/// then the overlay; the status of an interrupt is posted last.
/// </remarks>
internal sealed class QueueExecutor(ScheduleMemory memory, UsbBus bus, IScheduleEvents events)
{
    private const int PacketMax = UsbBus.PacketMax;
    private const int ErrorCountMax = 3;
    private const int PageBytes = 4096;

    // Longer than any packet: what a device sends too much lands here too, and is seen.
    private readonly byte[] _packet = new byte[PacketMax + 8];

    /// <summary>Visits a queue head and executes at most so many of its transactions.</summary>
    /// <param name="address">Where it lies.</param>
    /// <param name="head">What was read there; on return, what is there now.</param>
    /// <param name="isPeriodic">Whether it is in the periodic schedule.</param>
    /// <param name="isDirty">Whether <paramref name="head"/> was changed since it was read.</param>
    /// <param name="count">Transactions at most, at least 1.</param>
    /// <param name="budgetNs">Nanoseconds that are left of the microframe.</param>
    public QueueVisit Visit(uint address, ref QueueHead head, bool isPeriodic, bool isDirty, int count, uint budgetNs)
    {
        Run run = new() { Head = head, IsPeriodic = isPeriodic, IsDirty = isDirty, BudgetNs = budgetNs };
        VisitOutcome outcome = Prepare(ref run);
        for (int done = 0; outcome == VisitOutcome.Transacted && done < count; done++)
        {
            outcome = Transact(ref run);
            if (run.IsOver)
                break;
        }

        head = run.Head;
        if (outcome == VisitOutcome.Fault || (run.IsDirty && !WriteBack(address, head)))
            return new(VisitOutcome.Fault);
        if (run.Posts != 0)
            events.Post(run.Posts);
        return run.WireNs != 0 ? new(VisitOutcome.Transacted, run.WireNs) : new(outcome);
    }

    // Decides whether there is a transaction to execute: `Transacted` says yes.
    private VisitOutcome Prepare(ref Run run)
    {
        TransferToken token = run.Head.Overlay.Token;
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        if (token.Halted)
            return VisitOutcome.Skipped;
        if (!token.Active)
        {
            if (endpoint is { InactivateOnNext: true, Speed: not EndpointSpeed.High })
                return VisitOutcome.Skipped;
            VisitOutcome advanced = Advance(ref run);
            if (advanced != VisitOutcome.Transacted)
                return advanced;
        }

        // A queue head whose NAKs are used up waits for the next restart of the list.
        bool isTired = !run.IsPeriodic && endpoint.NakReload != 0 && run.Head.Overlay.AlternateNext.NakCounter == 0;
        return isTired ? VisitOutcome.Skipped : VisitOutcome.Transacted;
    }

    // Advance queue: the alternate qTD after a short packet, otherwise the next one; it is taken only if active.
    private VisitOutcome Advance(ref Run run)
    {
        ref readonly QueueHead head = ref run.Head;
        TransferLink link = head.Overlay.Token.TotalBytes != 0 && !head.Overlay.AlternateNext.Terminate
            ? head.Overlay.AlternateNext
            : head.Overlay.Next;
        if (link.Terminate)
            return VisitOutcome.Skipped;
        int size = memory.Is64Bit ? TransferDescriptor.Size64 : TransferDescriptor.Size32;
        if (!memory.TryRead(link.Address, size, out TransferDescriptor next))
            return VisitOutcome.Fault;
        if (!next.Token.Active)
            return VisitOutcome.Skipped;

        // Overlay: the queue head keeps its toggle unless DTC, its ping state at high speed, and starts with fresh NAKs.
        EndpointCharacteristics endpoint = head.Characteristics;
        TransferToken token = next.Token;
        if (!endpoint.ToggleFromDescriptor)
            token = token with { DataToggle = head.Overlay.Token.DataToggle };
        if (endpoint.Speed == EndpointSpeed.High)
            token = token with { Ping = head.Overlay.Token.Ping };
        run.Head = head with
        {
            Current = new TransferLink { Address = link.Address },
            Overlay = next with
            {
                AlternateNext = next.AlternateNext with { NakCounter = endpoint.NakReload },
                Token = token,
                Page1 = next.Page1 with { CompleteSplitProgress = 0 },
                Page2 = next.Page2 with { FrameTag = 0 },
            },
        };
        run.IsDirty = true;
        return VisitOutcome.Transacted;
    }

    // One transaction. The result says whether it took place; `run.IsOver` whether another may follow.
    private VisitOutcome Transact(ref Run run)
    {
        TransferToken token = run.Head.Overlay.Token;
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        int length = Math.Min(token.TotalBytes, Math.Min(endpoint.MaxPacketSize, PacketMax));
        bool isPing = token is { Ping: true, PacketId: PacketId.Out } && !run.IsPeriodic && endpoint.Speed == EndpointSpeed.High;
        bool sends = token.PacketId != PacketId.In && !isPing;

        // Never start what cannot end within the microframe, an answer that does not come included.
        uint worst = Math.Max(WireTime.HighSpeed(isPing ? 0 : length), WireTime.HighSpeedUnanswered(sends ? length : 0));
        if (worst > run.BudgetNs - run.WireNs)
            return VisitOutcome.NoTime;
        run.IsDirty = true;

        // A buffer that runs past its fifth page is the software's mistake; nothing is moved.
        if (length != 0 && token.CurrentPage + (run.Head.Overlay.Page0.Offset + length - 1) / PageBytes >= TransferDescriptor.PageCount)
        {
            run.WireNs += WireTime.HighSpeed(0);
            Retire(ref run, token with { BufferError = true, Halted = true }, run.Head.Overlay.Page0.Offset, isError: true);
            return Done(ref run);
        }

        UsbToken packet = new(PidOf(token.PacketId, isPing), (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint);
        if (endpoint.Speed != EndpointSpeed.High)
            return Answered(ref run, UsbReply.Silence, sent: 0, isPing: false);
        if (isPing)
            return Answered(ref run, bus.Ping(packet), sent: 0, isPing: true);
        if (token.PacketId == PacketId.In)
            return In(ref run, packet, length);
        if (!Gather(run.Head, length))
            return VisitOutcome.Fault;
        UsbReply reply = packet.Pid == UsbPid.None
            ? UsbReply.Silence
            : bus.Out(packet, token.DataToggle ? UsbPid.Data1 : UsbPid.Data0, _packet.AsSpan(0, length));
        return Answered(ref run, reply, length, isPing: false);
    }

    private VisitOutcome In(ref Run run, in UsbToken packet, int room)
    {
        UsbReply reply = bus.In(packet, _packet);
        if (!reply.IsData)
            return Answered(ref run, reply, sent: 0, isPing: false);
        TransferToken token = run.Head.Overlay.Token;
        int offset = run.Head.Overlay.Page0.Offset;
        ReadOnlySpan<byte> data = _packet.AsSpan(0, reply.Length);

        // More than was asked for: babble, and no acknowledgement.
        if (reply.Length > room)
        {
            bus.EndIn(packet, reply, data, acknowledged: false);
            uint wire = WireTime.HighSpeed(reply.Length);
            if (wire > run.BudgetNs - run.WireNs)
                events.BabbledPastMicroframe(packet.Address);
            run.WireNs += Math.Min(wire, run.BudgetNs - run.WireNs);
            Retire(ref run, token with { Babble = true, Halted = true }, offset, isError: true);
            return Done(ref run);
        }

        run.WireNs += WireTime.HighSpeed(reply.Length);

        // The device repeats what it sent before because it missed the acknowledgement: acknowledge, and drop it.
        if ((reply.Pid == UsbPid.Data1) != token.DataToggle)
        {
            bus.EndIn(packet, reply, data, acknowledged: true);
            return VisitOutcome.Transacted;
        }

        if (!Scatter(run.Head, data))
            return VisitOutcome.Fault;
        bus.EndIn(packet, reply, data, acknowledged: true);
        Moved(ref run, token, reply.Length, isShort: reply.Length < room || (room == 0 && token.TotalBytes != 0));
        return Done(ref run);
    }

    // What follows from a handshake, or from silence.
    private VisitOutcome Answered(ref Run run, UsbReply reply, int sent, bool isPing)
    {
        TransferToken token = run.Head.Overlay.Token;
        bool mayPing = token.PacketId == PacketId.Out && !run.IsPeriodic;
        run.WireNs += reply.Pid == UsbPid.None ? WireTime.HighSpeedUnanswered(sent) : WireTime.HighSpeed(sent);
        switch (reply.Pid)
        {
            case UsbPid.Ack when isPing:
                run.Head = WithToken(run.Head, token with { Ping = false });
                break;
            case UsbPid.Ack or UsbPid.Nyet when token.PacketId != PacketId.In && !isPing:
                if (reply.Pid == UsbPid.Nyet)
                    CountNak(ref run);
                Moved(ref run, token with { Ping = mayPing && reply.Pid == UsbPid.Nyet }, sent, isShort: false);
                break;
            case UsbPid.Nak:
                run.IsOver = true;
                run.Head = WithToken(run.Head, token with { Ping = mayPing || token.Ping });
                CountNak(ref run);
                break;
            case UsbPid.Stall:
                Retire(ref run, token with { Halted = true }, run.Head.Overlay.Page0.Offset, isError: true);
                break;
            default:
                Failed(ref run, token with { Ping = mayPing || token.Ping });
                break;
        }

        return Done(ref run);
    }

    // Bytes crossed the wire and were acknowledged.
    private void Moved(ref Run run, TransferToken token, int length, bool isShort)
    {
        int end = run.Head.Overlay.Page0.Offset + length;
        token = token with
        {
            TotalBytes = token.TotalBytes - length,
            DataToggle = !token.DataToggle,
            CurrentPage = token.CurrentPage + (end / PageBytes),
            ErrorCount = token.ErrorCount == 0 ? 0 : ErrorCountMax,
        };
        if (isShort)
            run.Posts |= StatusBits.Transfer;
        if (isShort || token.TotalBytes == 0)
            Retire(ref run, token, end % PageBytes, isError: false);
        else
            run.Head = WithToken(run.Head, token, end % PageBytes);
    }

    // No answer, or one without meaning. The counter that falls from one to zero halts; one that is zero never does.
    private void Failed(ref Run run, TransferToken token)
    {
        run.IsOver = true;
        int left = Math.Max(token.ErrorCount - 1, 0);
        TransferToken failed = token with { TransactionError = true, ErrorCount = left };
        if (token.ErrorCount == 1)
            Retire(ref run, failed with { Halted = true }, run.Head.Overlay.Page0.Offset, isError: true);
        else
            run.Head = WithToken(run.Head, failed);
    }

    private static void CountNak(ref Run run)
    {
        TransferLink alternate = run.Head.Overlay.AlternateNext;
        if (run.IsPeriodic || run.Head.Characteristics.NakReload == 0 || alternate.NakCounter == 0)
            return;
        alternate = alternate with { NakCounter = alternate.NakCounter - 1 };
        run.Head = run.Head with { Overlay = run.Head.Overlay with { AlternateNext = alternate } };
    }

    // The qTD is over: what is left of its token goes back to where it came from.
    private void Retire(ref Run run, TransferToken token, int offset, bool isError)
    {
        run.IsOver = true;
        token = token with { Active = false };
        run.Head = WithToken(run.Head, token, offset);
        if (isError)
            run.Posts |= StatusBits.Error;
        if (token.InterruptOnComplete)
            run.Posts |= StatusBits.Transfer;
        Report(run, token);
        Span<uint> words = [token.Raw.Value, run.Head.Overlay.Page0.Raw.Value];
        run.HasFault |= !memory.TryWrite(run.Head.Current.Address + TransferDescriptor.TokenOffset, MemoryMarshal.AsBytes(words));
    }

    // Whoever watches the bus hears where a transfer ends, and how.
    private void Report(in Run run, TransferToken token)
    {
        EndpointCharacteristics endpoint = run.Head.Characteristics;
        TransferType type = run.IsPeriodic ? TransferType.Interrupt : endpoint.Endpoint == 0 ? TransferType.Control : TransferType.Bulk;
        TransferOutcome outcome = !token.Halted ? TransferOutcome.Completed
            : token.Babble ? TransferOutcome.Babble
            : token.BufferError ? TransferOutcome.BufferError
            : token.TransactionError && token.ErrorCount == 0 ? TransferOutcome.TransactionError
            : TransferOutcome.Stalled;
        bus.EndTransfer(new(PidOf(token.PacketId, isPing: false), (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint), type, outcome);
    }

    private static VisitOutcome Done(ref Run run) => run.HasFault ? VisitOutcome.Fault : VisitOutcome.Transacted;

    private bool WriteBack(uint address, in QueueHead head)
    {
        int size = memory.Is64Bit ? QueueHead.Size64 : QueueHead.Size32;
        ReadOnlySpan<byte> whole = MemoryMarshal.AsBytes(new ReadOnlySpan<QueueHead>(in head));
        return memory.TryWrite(address + QueueHead.CurrentOffset, whole[QueueHead.CurrentOffset..size]);
    }

    private bool Gather(in QueueHead head, int length)
    {
        // An empty packet has no buffer: whatever its pointer says, nothing is asked of memory.
        if (length == 0)
            return true;
        int first = Math.Min(length, PageBytes - head.Overlay.Page0.Offset);
        int page = head.Overlay.Token.CurrentPage;
        return memory.TryReadData(BufferAddress(head.Overlay, page, head.Overlay.Page0.Offset), _packet.AsSpan(0, first))
            && (first == length || memory.TryReadData(BufferAddress(head.Overlay, page + 1, 0), _packet.AsSpan(first, length - first)));
    }

    private bool Scatter(in QueueHead head, ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return true;
        int first = Math.Min(data.Length, PageBytes - head.Overlay.Page0.Offset);
        int page = head.Overlay.Token.CurrentPage;
        return memory.TryWriteData(BufferAddress(head.Overlay, page, head.Overlay.Page0.Offset), data[..first])
            && (first == data.Length || memory.TryWriteData(BufferAddress(head.Overlay, page + 1, 0), data[first..]));
    }

    private static Iova BufferAddress(in TransferDescriptor transfer, int page, int offset)
    {
        (BufferPointer low, Bits32 high) = page switch
        {
            0 => (transfer.Page0, transfer.High0),
            1 => (transfer.Page1, transfer.High1),
            2 => (transfer.Page2, transfer.High2),
            3 => (transfer.Page3, transfer.High3),
            _ => (transfer.Page4, transfer.High4),
        };
        return new(((ulong)high.Value << 32) | low.Page | (uint)offset);
    }

    private static QueueHead WithToken(in QueueHead head, TransferToken token) =>
        head with { Overlay = head.Overlay with { Token = token } };

    private static QueueHead WithToken(in QueueHead head, TransferToken token, int offset) =>
        head with { Overlay = head.Overlay with { Token = token, Page0 = head.Overlay.Page0 with { Offset = offset } } };

    private static UsbPid PidOf(PacketId packetId, bool isPing) => packetId switch
    {
        PacketId.Out => isPing ? UsbPid.Ping : UsbPid.Out,
        PacketId.In => UsbPid.In,
        PacketId.Setup => UsbPid.Setup,

        // The fourth code is no token: whatever goes out, nobody answers it.
        _ => UsbPid.None,
    };

    /// <summary>One visit under way.</summary>
    private struct Run
    {
        public QueueHead Head;
        public uint BudgetNs;
        public uint WireNs;
        public uint Posts;
        public bool IsPeriodic;
        public bool IsDirty;
        public bool IsOver;
        public bool HasFault;
    }
}
