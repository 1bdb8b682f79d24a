using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes siTDs: isochronous transactions of full-speed endpoints behind a hub (EHCI, split transaction isochronous).</summary>
/// <remarks>
/// An OUT is cut into start-splits of 188 bytes, what the slower bus moves in a microframe, and has no complete-splits.
/// An IN is started once and fetched piece by piece; pieces that fall into the first microframes of the next frame are
/// fetched from there, by way of the back pointer.
/// </remarks>
internal sealed class SplitIsochronousExecutor(ScheduleMemory memory, EhciWire wire, IScheduleEvents events)
{
    private const int PartMax = 188;
    private const int AttemptsMax = 3;
    private const int StateWords = 3;

    private readonly TransferEnds _ends = new(wire);
    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];

    /// <summary>Visits a siTD in one microframe.</summary>
    /// <param name="address">Where it lies.</param>
    /// <param name="descriptor">What was read there.</param>
    /// <param name="context">Under which circumstances.</param>
    public QueueVisit Visit(uint address, in SplitIsochronousTransferDescriptor descriptor, in VisitContext context)
    {
        Run run = new() { Address = address, Descriptor = descriptor, LeftNs = context.BudgetNs, Bit = context.MicroframeBit };
        SplitIsochronousState state = descriptor.State;
        if (!state.Active)
            return new(VisitOutcome.Skipped);
        VisitOutcome outcome = (descriptor.Endpoint.In && state.SplitTransactionState, UsesBackPointer(descriptor, run.Bit)) switch
        {
            (false, _) => Start(ref run),
            (true, false) => Complete(ref run),
            (true, true) => CompleteBefore(ref run),
        };
        uint wireNs = context.BudgetNs - run.LeftNs;
        return outcome != VisitOutcome.Fault && wireNs != 0 ? new(VisitOutcome.Transacted, wireNs) : new(outcome);
    }

    // In the first microframe a back pointer that is valid, in the second one unless a start-split is due in the first.
    private static bool UsesBackPointer(in SplitIsochronousTransferDescriptor descriptor, byte bit) =>
        !descriptor.Back.Terminate && (bit == 1 || (bit == 2 && (descriptor.Schedule.StartMask & 1) == 0));

    private VisitOutcome CompleteBefore(ref Run run)
    {
        uint address = run.Descriptor.Back.Address;
        int size = memory.Is64Bit ? SplitIsochronousTransferDescriptor.Size64 : SplitIsochronousTransferDescriptor.Size32;
        if (!memory.TryRead(address, size, out SplitIsochronousTransferDescriptor before))
            return VisitOutcome.Fault;
        Run earlier = new() { Address = address, Descriptor = before, LeftNs = run.LeftNs, Bit = run.Bit };
        VisitOutcome outcome = before.State is { Active: true, SplitTransactionState: true } ? Complete(ref earlier) : VisitOutcome.Skipped;
        run.LeftNs = earlier.LeftNs;
        if (outcome is VisitOutcome.Fault or VisitOutcome.NoTime || earlier.Descriptor.State is { Active: true, SplitTransactionState: true })
            return outcome;

        // The one before is done: this one begins, at once where its start-split is due.
        run.Descriptor = run.Descriptor with { State = run.Descriptor.State with { SplitTransactionState = false } };
        return TryWriteBack(run) ? Start(ref run) : VisitOutcome.Fault;
    }

    private VisitOutcome Start(ref Run run)
    {
        if ((run.Descriptor.Schedule.StartMask & run.Bit) == 0)
            return VisitOutcome.Skipped;
        bool isIn = run.Descriptor.Endpoint.In;
        int length = isIn ? 0 : Math.Min(run.Descriptor.State.TotalBytes, PartMax);
        if (WireTime.HighSpeedIsochronous(length) > run.LeftNs)
            return VisitOutcome.NoTime;
        if (LeavesBuffer(run, length))
            return End(ref run, run.Descriptor.State with { BufferError = true });
        Span<byte> data = _packet.AsSpan(0, length);
        if (!memory.TryReadData(At(run), NextPage(run), data))
            return VisitOutcome.Fault;
        _ = wire.Out(TokenOf(run.Descriptor, complete: false), isIn ? UsbPid.None : UsbPid.Data0, data);
        run.Spend(WireTime.HighSpeedIsochronous(length));
        if (isIn)
        {
            SplitIsochronousState started = run.Descriptor.State with { SplitTransactionState = true, CompleteSplitProgress = 0 };
            return Keep(ref run, started);
        }

        // Nobody answers a start-split: what was sent counts as done.
        Advance(ref run, length);
        SplitIsochronousPointer part = run.Descriptor.Page1;
        int left = Math.Max(part.TransactionCount - 1, 0);
        SplitPosition next = left == 1 ? SplitPosition.End : SplitPosition.Middle;
        run.Descriptor = run.Descriptor with
        {
            Page1 = part with { TransactionCount = left, Position = left == 0 ? part.Position : next },
        };
        return left == 0 ? End(ref run, run.Descriptor.State) : Keep(ref run, run.Descriptor.State);
    }

    private VisitOutcome Complete(ref Run run)
    {
        byte mask = run.Descriptor.Schedule.CompleteMask;
        SplitIsochronousState state = run.Descriptor.State;
        if ((mask & run.Bit) == 0)
            return VisitOutcome.Skipped;

        // One that was left out took data with it that does not come again.
        if (!SplitProgress.IsInOrder(mask, state.CompleteSplitProgress, run.Bit))
            return End(ref run, state with { MissedMicroframe = true });
        uint worst = Math.Max(WireTime.HighSpeedIsochronous(Math.Min(state.TotalBytes, PartMax)), WireTime.HighSpeedIsochronousUnanswered());
        if (worst > run.LeftNs)
            return VisitOutcome.NoTime;
        byte progress = (byte)(state.CompleteSplitProgress | run.Bit);
        run.Descriptor = run.Descriptor with { State = state with { CompleteSplitProgress = progress } };
        UsbReply reply = Ask(ref run);
        return Answered(ref run, reply, isLast: (mask ^ progress) == 0);
    }

    private VisitOutcome Answered(ref Run run, UsbReply reply, bool isLast)
    {
        SplitIsochronousState state = run.Descriptor.State;
        switch (reply.Pid)
        {
            case UsbPid.Nyet:
                // Never anything: the start-split did not arrive, and the transaction was left out; that is no error.
                return isLast ? End(ref run, state) : Keep(ref run, state);
            case UsbPid.Data0 or UsbPid.Data1 or UsbPid.DataM when reply.Length > state.TotalBytes || LeavesBuffer(run, reply.Length):
                return End(ref run, state with { Babble = reply.Length > state.TotalBytes, BufferError = reply.Length <= state.TotalBytes });
            case UsbPid.Data0 or UsbPid.Data1 or UsbPid.DataM:
                if (!memory.TryWriteData(At(run), NextPage(run), _packet.AsSpan(0, reply.Length)))
                    return VisitOutcome.Fault;
                Advance(ref run, reply.Length);
                bool isPart = reply.Pid == UsbPid.DataM;
                state = run.Descriptor.State;

                // A part, and no further complete-split to fetch the rest: the masks are too short, or the device babbled.
                return isPart && !isLast ? Keep(ref run, state) : End(ref run, state with { TransactionError = isPart });
            case UsbPid.Error:
                return End(ref run, state with { TranslatorError = true });
            default:
                return End(ref run, state with { TransactionError = true });
        }
    }

    // A complete-split that nobody answers is sent again at once, twice at most.
    private UsbReply Ask(ref Run run)
    {
        UsbToken token = TokenOf(run.Descriptor, complete: true);
        UsbReply reply = UsbReply.Silence;
        for (int attempt = 0; attempt < AttemptsMax && reply.Pid == UsbPid.None; attempt++)
        {
            if (attempt != 0 && WireTime.HighSpeedIsochronousUnanswered() > run.LeftNs)
                break;
            reply = wire.In(token, _packet);
            if (reply.IsData)
                wire.EndIn(token, reply, _packet.AsSpan(0, Math.Min(reply.Length, _packet.Length)), acknowledged: false);
            run.Spend(reply.Pid == UsbPid.None ? WireTime.HighSpeedIsochronousUnanswered() : WireTime.HighSpeedIsochronous(reply.Length));
        }

        return reply;
    }

    private VisitOutcome End(ref Run run, SplitIsochronousState state)
    {
        if (Keep(ref run, state with { Active = false }) == VisitOutcome.Fault)
            return VisitOutcome.Fault;
        _ends.Ended(run.Descriptor, state);
        bool isError = state.TranslatorError || state.BufferError || state.Babble || state.TransactionError || state.MissedMicroframe;
        uint posts = (state.InterruptOnComplete ? StatusBits.Transfer : 0) | (isError ? StatusBits.Error : 0);
        if (posts != 0)
            events.Post(posts);
        return VisitOutcome.Skipped;
    }

    private VisitOutcome Keep(ref Run run, SplitIsochronousState state)
    {
        run.Descriptor = run.Descriptor with { State = state };
        return TryWriteBack(run) ? VisitOutcome.Skipped : VisitOutcome.Fault;
    }

    private bool TryWriteBack(in Run run)
    {
        Span<uint> words = stackalloc uint[StateWords];
        (words[0], words[1], words[2]) =
            (run.Descriptor.State.Raw.Value, run.Descriptor.Page0.Raw.Value, run.Descriptor.Page1.Raw.Value);
        return memory.TryWrite(run.Address + SplitIsochronousTransferDescriptor.StateOffset, MemoryMarshal.AsBytes(words));
    }

    private static void Advance(ref Run run, int length)
    {
        int end = run.Descriptor.Page0.Offset + length;
        SplitIsochronousState state = run.Descriptor.State;
        run.Descriptor = run.Descriptor with
        {
            State = state with
            {
                TotalBytes = state.TotalBytes - length,
                PageSelect = state.PageSelect || end >= ScheduleMemory.PageBytes,
            },
            Page0 = run.Descriptor.Page0 with { Offset = end % ScheduleMemory.PageBytes },
        };
    }

    // There are two pages, and no third.
    private static bool LeavesBuffer(in Run run, int length) =>
        run.Descriptor.State.PageSelect && run.Descriptor.Page0.Offset + length > ScheduleMemory.PageBytes;

    private static Iova At(in Run run) => run.Descriptor.State.PageSelect
        ? PageAt(run.Descriptor.Page1, run.Descriptor.High1, run.Descriptor.Page0.Offset)
        : PageAt(run.Descriptor.Page0, run.Descriptor.High0, run.Descriptor.Page0.Offset);

    private static Iova NextPage(in Run run) => PageAt(run.Descriptor.Page1, run.Descriptor.High1, 0);

    private static Iova PageAt(SplitIsochronousPointer page, Bits32 high, int offset) =>
        new(((ulong)high.Value << 32) | page.Page | (uint)offset);

    private static UsbToken TokenOf(in SplitIsochronousTransferDescriptor descriptor, bool complete)
    {
        SplitIsochronousEndpoint endpoint = descriptor.Endpoint;
        SplitPosition position = descriptor.Page1.Position;
        return new(endpoint.In ? UsbPid.In : UsbPid.Out, (byte)endpoint.DeviceAddress, (byte)endpoint.Endpoint)
        {
            Split = new()
            {
                Pid = UsbPid.Split,
                HubAddress = (byte)endpoint.HubAddress,
                Port = (byte)endpoint.HubPort,
                Complete = complete,
                SpeedOrStart = !endpoint.In && position is SplitPosition.All or SplitPosition.Begin,
                End = !endpoint.In && position is SplitPosition.All or SplitPosition.End,
                EndpointType = TransferType.Isochronous,
            },
        };
    }

    /// <summary>A visit under way.</summary>
    private struct Run
    {
        public uint Address;
        public SplitIsochronousTransferDescriptor Descriptor;
        public uint LeftNs;
        public byte Bit;

        public void Spend(uint wireNs) => LeftNs -= Math.Min(wireNs, LeftNs);
    }
}
