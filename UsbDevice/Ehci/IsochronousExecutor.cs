using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes the slots of iTDs: isochronous transactions at high speed (EHCI, managing isochronous transfers by iTDs).</summary>
/// <remarks>Nothing is repeated, nothing halts: each slot has its microframe, and what went wrong in it stands in its status.</remarks>
internal sealed class IsochronousExecutor(ScheduleMemory memory, EhciWire wire, IScheduleEvents events)
{
    private const int FirstPageWord = IsochronousTransferDescriptor.PagesOffset / sizeof(uint);
    private const int FirstHighWord = IsochronousTransferDescriptor.HighOffset / sizeof(uint);

    private readonly TransferEnds _ends = new(wire);
    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];

    /// <summary>Visits an iTD in one microframe.</summary>
    /// <param name="address">Where it lies.</param>
    /// <param name="descriptor">What was read there.</param>
    /// <param name="context">Under which circumstances.</param>
    public QueueVisit Visit(uint address, in IsochronousTransferDescriptor descriptor, in VisitContext context)
    {
        ReadOnlySpan<uint> words = MemoryMarshal.Cast<IsochronousTransferDescriptor, uint>(new ReadOnlySpan<IsochronousTransferDescriptor>(in descriptor));
        int microframe = (int)(context.FrameIndex & 7);
        Run run = new() { Slot = new(new(words[1 + microframe])), LeftNs = context.BudgetNs };
        if (!run.Slot.Active)
            return new(VisitOutcome.Skipped);
        run.PacketMax = Math.Min(descriptor.Page1.MaxPacketSize, UsbBus.PacketMax);
        run.CountMax = Math.Max(descriptor.Page2.Multiplier, 1);
        run.Total = Math.Min(run.Slot.Length, run.CountMax * run.PacketMax);

        UsbToken token = new(descriptor.Page1.In ? UsbPid.In : UsbPid.Out, (byte)descriptor.Page0.DeviceAddress, (byte)descriptor.Page0.Endpoint);
        run.IsInside = wire.IsInside(token);

        // Never start what cannot end within the microframe: all its transactions, answers that do not come included.
        if (!run.IsInside && Worst(run, descriptor.Page1.In) > run.LeftNs)
            return new(VisitOutcome.NoTime);
        bool isWell = true;
        if (!TryFindPages(ref run, words))
            run.Slot = run.Slot with { BufferError = true };
        else
            isWell = descriptor.Page1.In ? In(ref run, token) : Out(ref run, token);
        if (!isWell)
            return new(VisitOutcome.Fault);
        run.Slot = run.Slot with { Active = false };
        if (!run.IsInside)
            _ends.Ended(token, run.Slot);
        uint word = run.Slot.Raw.Value;
        if (!memory.TryWrite(address + (uint)(IsochronousTransferDescriptor.SlotsOffset + (4 * microframe)), MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in word))))
            return new(VisitOutcome.Fault);
        Post(run.Slot);
        uint wireNs = context.BudgetNs - run.LeftNs;
        return wireNs == 0 ? new(VisitOutcome.Skipped) : new(VisitOutcome.Transacted, wireNs);
    }

    private static uint Worst(in Run run, bool isIn)
    {
        uint worst = 0;
        int left = run.Total;
        for (int index = 0; index < Count(run, isIn); index++)
        {
            int length = Math.Min(left, run.PacketMax);
            uint asked = isIn ? WireTime.HighSpeedIsochronousUnanswered() : 0;
            worst += Math.Max(WireTime.HighSpeedIsochronous(length), asked);
            left -= length;
        }

        return worst;
    }

    // An OUT sends what there is; an IN asks until the device says that this was all.
    private static int Count(in Run run, bool isIn) => isIn || run.PacketMax == 0
        ? run.CountMax
        : Math.Clamp((run.Total + run.PacketMax - 1) / run.PacketMax, 1, run.CountMax);

    // A slot may cross one border between pages; behind the seventh page there is none.
    private static bool TryFindPages(ref Run run, ReadOnlySpan<uint> words)
    {
        int page = run.Slot.PageSelect;
        bool crosses = run.Slot.Offset + run.Total > ScheduleMemory.PageBytes;
        if (page + (crosses ? 1 : 0) >= IsochronousTransferDescriptor.PageCount)
            return false;
        run.Page = PageAt(words, page);
        run.NextPage = crosses ? PageAt(words, page + 1) : default;
        return true;
    }

    private static Iova PageAt(ReadOnlySpan<uint> words, int page) =>
        new(((ulong)words[FirstHighWord + page] << 32) | new IsochronousPointer(new(words[FirstPageWord + page])).Page);

    private bool Out(ref Run run, in UsbToken token)
    {
        int count = Count(run, isIn: false);
        int done = 0;
        for (int index = 0; index < count; index++)
        {
            Span<byte> data = _packet.AsSpan(0, Math.Min(run.PacketMax, run.Total - done));
            if (!memory.TryReadData(run.At(done), run.NextPage, data))
                return false;
            _ = wire.Out(token, OutPid(index, count), data);
            run.Spend(WireTime.HighSpeedIsochronous(data.Length));
            done += data.Length;
        }

        return true;
    }

    private bool In(ref Run run, in UsbToken token)
    {
        int received = 0;
        for (int left = run.CountMax - 1; left >= 0; left--)
        {
            UsbReply reply = wire.In(token, _packet);
            if (!reply.IsData)
            {
                run.Spend(reply.Pid == UsbPid.None ? WireTime.HighSpeedIsochronousUnanswered() : WireTime.HighSpeedIsochronous(0));
                run.Slot = run.Slot with { TransactionError = true };
                break;
            }

            Span<byte> data = _packet.AsSpan(0, Math.Min(reply.Length, _packet.Length));
            wire.EndIn(token, reply, data, acknowledged: false);
            uint wireNs = WireTime.HighSpeedIsochronous(reply.Length);
            if (wireNs > run.LeftNs && !run.IsInside)
                events.BabbledPastMicroframe(token.Address);
            run.Spend(wireNs);
            if (reply.Length > run.PacketMax || reply.Length > run.Total - received)
            {
                run.Slot = run.Slot with { Babble = true };
                break;
            }

            int following = HighBandwidth.Following(reply.Pid);
            if (following < 0 || following > left)
            {
                run.Slot = run.Slot with { TransactionError = true };
                break;
            }

            if (!memory.TryWriteData(run.At(received), run.NextPage, data))
                return false;
            received += reply.Length;
            left = following;
        }

        run.Slot = run.Slot with { Length = received };
        return true;
    }

    private void Post(IsochronousSlot slot)
    {
        uint posts = (slot.InterruptOnComplete ? StatusBits.Transfer : 0)
            | (slot.BufferError || slot.Babble || slot.TransactionError ? StatusBits.Error : 0);
        if (posts != 0)
            events.Post(posts);
    }

    private static UsbPid OutPid(int index, int count) => (index, count) switch
    {
        (0, 1) => UsbPid.Data0,
        (1, 2) => UsbPid.Data1,
        (2, 3) => UsbPid.Data2,
        _ => UsbPid.DataM,
    };

    /// <summary>A slot under way.</summary>
    private struct Run
    {
        public IsochronousSlot Slot;
        public int PacketMax;
        public int CountMax;
        public int Total;
        public uint LeftNs;
        public Iova Page;
        public Iova NextPage;
        public bool IsInside;

        // Where the data goes on after so many bytes.
        public readonly Iova At(int done)
        {
            int position = Slot.Offset + done;
            return position < ScheduleMemory.PageBytes
                ? new(Page.Value + (uint)position)
                : new(NextPage.Value + (uint)(position - ScheduleMemory.PageBytes));
        }

        public void Spend(uint wireNs) => LeftNs -= IsInside ? 0 : Math.Min(wireNs, LeftNs);
    }
}
