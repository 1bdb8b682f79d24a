using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A guest on paper whose descriptors are for a device that is there: each carries a number of its own, so that what is executed twice, or after it was taken back, is found out.</summary>
/// <param name="loop">The time.</param>
/// <param name="paper">Its schedules.</param>
/// <param name="device">Its device, in the port of the same number.</param>
/// <param name="bus">Sees what goes to it.</param>
/// <param name="port">The root port, from 1 on.</param>
internal sealed class WorkingGuest(EventLoop loop, PaperGuest paper, RecordingDevice device, PacketNumbers bus, int port)
{
    private const int DeviceAddress = 5;
    private const ulong MicroframeNs = 125_000;
    private const ulong MillisecondNs = 1_000_000;
    private const ulong LookNs = 10_000;
    private const uint BuffersAt = 0x30_0000;
    private const uint BuffersEnd = 0x3F_0000;
    private const uint Scribbled = 0xA5A5_A5A5;
    private const int SlotBytes = 4096;

    private readonly List<WorkQueue> _queues = [];
    private readonly List<WorkQueue> _gone = [];
    private readonly List<WorkFrame> _frames = [];
    private readonly bool[] _toggles = new bool[1 + RecordingDevice.BulkCount];
    private WorkQueue? _interrupt;
    private uint _buffers = BuffersAt;
    private uint _number = (uint)port << 24;

    public PaperGuest Paper => paper;

    /// <summary>How many descriptors it had executed, and how many it took back before.</summary>
    public (int Executed, int Cancelled) Outcome { get; private set; }

    private int Frame => (int)(paper[EhciOperationalOffsets.FrameIndex] >> 3);

    /// <summary>Finds its device, as a driver does.</summary>
    public async Task Enumerate()
    {
        paper[EhciOperationalOffsets.ConfigureFlag] = 1;
        int register = EhciOperationalOffsets.FirstPort + (4 * (port - 1));
        paper[register] = new PortStatusControl { Power = true, Reset = true }.Raw.Value;
        await loop.Delay(12 * MillisecondNs);
        paper[register] = new PortStatusControl { Power = true }.Raw.Value;
        await loop.Delay(2 * MillisecondNs);
        await Request(0, new() { Request = (byte)StandardRequest.SetAddress, Value = DeviceAddress });
        await Request(DeviceAddress, new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 });
        QueueHead head = EhciBench.Queue(DeviceAddress, RecordingDevice.Interrupt, 512, 0, isHead: false, nakReload: 0);
        uint tail = Inactive();
        _interrupt = new(0, RecordingDevice.Interrupt) { Tail = tail };
        _interrupt = _interrupt with
        {
            Address = paper.AddInterrupt(4, 1, head with { Capabilities = new() { StartMask = 0x12, Multiplier = 1 }, Overlay = head.Overlay with { Next = new() { Address = tail } } }),
        };
    }

    /// <summary>Does something.</summary>
    public async Task Do(WorkStep step)
    {
        WorkQueue? queue = _queues.Count == 0 ? null : _queues[step.First % _queues.Count];
        switch (step.Act)
        {
            case WorkAct.AddQueue:
                AddQueue(step.First);
                break;
            case WorkAct.Append when queue is not null:
                Append(queue, 1 + (step.Second % 5));
                break;
            case WorkAct.AppendPeriodic:
                Append(_interrupt!, 1 + (step.Second % 3));
                break;
            case WorkAct.Cancel when queue is not null:
                await Cancel(queue);
                break;
            case WorkAct.Relink when queue is not null:
                // No driver may do that before it was told that nothing is held; a controller of its own would go on all the same.
                _ = paper.RemoveFromRing(IndexOf(queue));
                await loop.Delay((ulong)step.Second * 10_000);
                paper.PutIntoRing(queue.Address, step.First);
                break;
            case WorkAct.AddFrame:
                AddFrame(2 + (step.First % 5), (byte)(step.Second & 0x7F), 8 + (4 * (step.First % 750)));
                break;
            case WorkAct.MoveFrame when _frames.Count != 0:
                WorkFrame moved = _frames[step.First % _frames.Count];
                paper.RemoveFromFrame(moved.Frame, moved.Address);
                moved.Frame = Frame + 2 + (step.Second % 5);
                paper.PutIntoFrame(moved.Frame, LinkType.IsochronousTransfer, moved.Address);
                break;
            case WorkAct.RemoveFrame when _frames.Count != 0:
                WorkFrame removed = _frames[step.First % _frames.Count];
                paper.RemoveFromFrame(removed.Frame, removed.Address);
                paper.PutIntoFrame(removed.Frame = Frame - 8, LinkType.IsochronousTransfer, removed.Address);
                break;
            default:
                break;
        }

        await loop.Delay((ulong)step.Second * 8_000);
    }

    /// <summary>Has transfers executed one by one, and looks at its registers and its interrupt all the time: neither speaks of an end before that is in memory (U3).</summary>
    /// <param name="line">Its interrupt.</param>
    /// <param name="count">How many.</param>
    public async Task WaitForEnds(IInterruptLine line, int count)
    {
        AddQueue(0);
        device.IsSlow = false;
        for (; count > 0; count--)
        {
            paper[EhciOperationalOffsets.UsbStatus] = paper.Status.Raw.Value & 0x3F;
            Append(_queues[0], 1, interrupts: true);
            uint at = _queues[0].Items[^1].Address;
            (bool isPosted, bool came) = (false, false);
            for (int waited = 0; !isPosted; waited++)
            {
                Assert.True(waited < 2000, "No status comes.");
                came |= await line.Wait(LookNs);
                isPosted = paper.Status.TransferInterrupt;
                Assert.False(isPosted && TokenOf(at).Active);
            }

            Assert.True(came || await line.Wait(MillisecondNs), "No interrupt comes.");
            await loop.Delay((ulong)count * LookNs);
        }
    }

    /// <summary>Lets what is there end, and looks at all that it ever had.</summary>
    public async Task End()
    {
        device.IsSlow = false;
        await loop.Delay(10 * MillisecondNs);
        for (int waited = 0; waited < 50 && ((WorkQueue[])[.. _queues, _interrupt!]).SelectMany(static queue => queue.Items).Any(item => TokenOf(item.Address).Active); waited++)
            await loop.Delay(2 * MillisecondNs);
        int cancelled = 0;
        foreach (WorkQueue queue in (WorkQueue[])[.. _queues, _interrupt!])
        {
            foreach (WorkItem item in queue.Items)
                Assert.Equal((false, 0, 1), (TokenOf(item.Address).Active, TokenOf(item.Address).TotalBytes, bus.CountOf(item.Number)));
            Assert.Equal(queue.Items.Select(static item => item.Number), bus.Came.Where(number => queue.Items.Exists(item => item.Number == number)));
        }

        foreach (WorkQueue queue in _gone)
        {
            Assert.All(queue.Items, item => Assert.Equal(item.Count, bus.CountOf(item.Number)));
            Assert.All(queue.Items, item => Assert.Equal(Scribbled, paper.Read<uint>(item.Address + TransferDescriptor.TokenOffset)));
            Assert.Equal(Scribbled, paper.Read<uint>(queue.Address + QueueHead.OverlayOffset));
            cancelled += queue.Items.Count(static item => item.Count == 0);
        }

        foreach (WorkFrame frame in _frames)
        {
            for (int microframe = 0; microframe < IsochronousTransferDescriptor.PageCount; microframe++)
            {
                bool isActive = paper.Read<IsochronousSlot>(frame.Address + IsochronousTransferDescriptor.SlotsOffset + (4 * (uint)microframe)).Active;
                bool isExecuted = (frame.Slots >> microframe & 1) != 0 && !isActive;
                Assert.Equal(isExecuted ? 1 : 0, bus.CountOf(frame.NumberOf(microframe)));
                cancelled += isActive ? 1 : 0;
            }
        }

        Assert.True(paper.HasItsLinks());
        Outcome = (bus.Came.Count(number => number >> 24 == (uint)port), cancelled);
    }

    private TransferToken TokenOf(uint transfer) => paper.Read<TransferToken>(transfer + TransferDescriptor.TokenOffset);

    private int IndexOf(WorkQueue queue) => paper.Ring.ToList().IndexOf(queue.Address) - 1;

    // The last qTD of a list, which is filled in when something is appended.
    private uint Inactive()
    {
        uint at = paper.Take();
        paper.Write(at, new TransferDescriptor { Next = new() { Terminate = true }, AlternateNext = new() { Terminate = true } });
        return at;
    }

    private uint Buffer(int bytes)
    {
        uint at = _buffers;
        _buffers += (uint)bytes;
        return _buffers <= BuffersEnd ? at : 0;
    }

    private void AddQueue(int after)
    {
        int endpoint = Enumerable.Range(1, RecordingDevice.BulkCount).FirstOrDefault(number => !_queues.Exists(queue => queue.Endpoint == number));
        if (endpoint == 0)
            return;
        uint tail = Inactive();
        QueueHead head = EhciBench.Queue(DeviceAddress, endpoint, 512, 0, isHead: false, nakReload: 0);
        head = head with { Overlay = head.Overlay with { Next = new() { Address = tail }, Token = new() { DataToggle = _toggles[endpoint] } } };
        _queues.Add(new(paper.AddToRing(after, head), endpoint) { Tail = tail });
    }

    private void Append(WorkQueue queue, int count, bool interrupts = false)
    {
        for (; count > 0; count--)
        {
            (uint at, uint tail, uint buffer) = (queue.Tail, Inactive(), Buffer(64));
            if (buffer == 0)
                return;
            paper.Write(buffer, ++_number);
            TransferToken token = new() { PacketId = PacketId.Out, ErrorCount = 3, TotalBytes = 8, InterruptOnComplete = interrupts };
            paper.Write(at, new TransferDescriptor { Next = new() { Address = tail }, AlternateNext = new() { Terminate = true }, Token = token, Page0 = new(new(buffer)) });
            paper.Write(at + TransferDescriptor.TokenOffset, token with { Active = true });
            queue.Items.Add(new(_number, at));
            queue.Tail = tail;
        }
    }

    // Once it was told, the memory of the queue is its own again: what is not executed by then never is.
    private async Task Cancel(WorkQueue queue)
    {
        _ = paper.RemoveFromRing(IndexOf(queue));
        await Advance();
        foreach (WorkItem item in queue.Items)
        {
            item.Count = bus.CountOf(item.Number);
            Assert.Equal(TokenOf(item.Address).Active ? 0 : 1, item.Count);
            paper.Write(item.Address, new TransferDescriptor { Next = new(new(Scribbled)), Token = new(new(Scribbled)) });
        }

        _toggles[queue.Endpoint] = paper.Read<TransferToken>(queue.Address + QueueHead.OverlayOffset + TransferDescriptor.TokenOffset).DataToggle;
        paper.Write(queue.Address + QueueHead.OverlayOffset, Scribbled);
        _ = _queues.Remove(queue);
        _gone.Add(queue);
    }

    private async Task Advance()
    {
        paper[EhciOperationalOffsets.UsbStatus] = new UsbStatus { AsyncAdvance = true }.Raw.Value;
        paper.Command = paper.Command with { AsyncAdvanceDoorbell = true };
        for (int waited = 0; !paper.Status.AsyncAdvance; waited++)
        {
            Assert.True(waited < 2000, "The doorbell is not answered.");
            await loop.Delay(MicroframeNs / 5);
        }

        paper[EhciOperationalOffsets.UsbStatus] = new UsbStatus { AsyncAdvance = true }.Raw.Value;
    }

    private void AddFrame(int ahead, byte slots, int bytes)
    {
        uint buffer = (_buffers + SlotBytes - 1) & ~(SlotBytes - 1u);
        _buffers = buffer + (SlotBytes * IsochronousTransferDescriptor.PageCount);
        if (_buffers > BuffersEnd)
            return;
        WorkFrame frame = new(slots, _number + 1) { Frame = Frame + ahead };
        for (uint microframe = 0; microframe < IsochronousTransferDescriptor.PageCount; microframe++)
        {
            for (uint packet = 0; packet < WorkFrame.PacketsMax; packet++)
                paper.Write(buffer + (SlotBytes * microframe) + (1024 * packet), ++_number);
        }

        frame.Address = paper.AddIsochronous(frame.Frame, slots, bytes, buffer, DeviceAddress, RecordingDevice.Isochronous);
        _frames.Add(frame);
    }

    private async Task Request(int address, SetupPacket setup)
    {
        (uint first, uint last, uint end, uint buffer) = (paper.Take(), paper.Take(), Inactive(), Buffer(64));
        paper.Write(buffer, setup);
        TransferToken token = new() { Active = true, PacketId = PacketId.Setup, ErrorCount = 3, TotalBytes = SetupPacket.Size };
        paper.Write(last, new TransferDescriptor { Next = new() { Address = end }, AlternateNext = new() { Terminate = true }, Token = token with { PacketId = PacketId.In, TotalBytes = 0, DataToggle = true } });
        paper.Write(first, new TransferDescriptor { Next = new() { Address = last }, AlternateNext = new() { Terminate = true }, Token = token, Page0 = new(new(buffer)) });
        QueueHead head = EhciBench.Queue(address, 0, 64, 0, isHead: false, isControl: true);
        uint queue = paper.AddToRing(0, head with { Overlay = head.Overlay with { Next = new() { Address = first } } });
        for (int waited = 0; TokenOf(last).Active; waited++)
        {
            Assert.True(waited < 5000, "A request is not answered.");
            await loop.Delay(MicroframeNs);
        }

        Assert.False(TokenOf(last).Halted);
        _ = paper.RemoveFromRing(paper.Ring.ToList().IndexOf(queue) - 1);
        await Advance();
        await loop.Delay(2 * MillisecondNs);
    }

    private sealed record WorkQueue(uint Address, int Endpoint)
    {
        public List<WorkItem> Items { get; } = [];

        public uint Tail { get; set; }
    }

    private sealed class WorkItem(uint number, uint address)
    {
        public uint Number => number;

        public uint Address => address;

        /// <summary>How often it was executed when it was taken back.</summary>
        public int Count { get; set; }
    }

    private sealed class WorkFrame(byte slots, uint firstNumber)
    {
        public const int PacketsMax = 3;

        public byte Slots => slots;

        public uint Address { get; set; }

        public int Frame { get; set; }

        public uint NumberOf(int microframe) => firstNumber + (uint)(PacketsMax * microframe);
    }
}
