using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The hub behind which a device is that is slower than high speed; none where it is spoken to itself.</summary>
/// <param name="Hub">The hub, as its driver calls it; 0 for none.</param>
/// <param name="Port">The port of the hub, from 1.</param>
internal readonly record struct SplitPath(byte Hub, byte Port);

/// <summary>The smallest software that drives a register set by hand: one ring, one frame list, one transfer at a time. Each step says what came of it.</summary>
internal sealed class ScheduleGuest
{
    private const ulong MillisecondNs = 1_000_000;
    private const uint HeadAt = 0x100;
    private const uint QueueAt = 0x200;
    private const uint StagesAt = 0x400;
    private const uint SetupAt = 0x800;
    private const uint BufferAt = 0x1000;
    private const uint BuffersBytes = 0x5000;
    private const uint FrameListAt = 0x8000;
    private const uint Frames = 1024;

    // A report is asked for in the first microframe of each frame; behind a hub, its end in the third to the fifth.
    private const byte StartMask = 1 << 0;
    private const byte CompleteMask = 0b111 << 2;

    // Everything that can interrupt.
    private const uint Causes = 0x3F;

    private readonly SharedBench _bench;
    private readonly int _set;
    private readonly uint _base;

    public ScheduleGuest(SharedBench bench, int set)
    {
        (_bench, _set, _base) = (bench, set, SharedBench.BaseOf(set));
    }

    /// <summary>How long a transfer may take.</summary>
    public ulong PatienceNs { get; init; } = 5_000 * MillisecondNs;

    /// <summary>Runs an empty ring.</summary>
    public void Start()
    {
        _bench.Register(_set, EhciOperationalOffsets.ConfigureFlag, 1);
        _bench.Register(_set, EhciOperationalOffsets.InterruptEnable, Causes);
        _bench.Write(_base + HeadAt, EhciBench.Queue(0, 0, 64, _base + HeadAt, nakReload: 0));
        _bench.Register(_set, EhciOperationalOffsets.AsyncListAddress, _base + HeadAt);
        Command = new() { Run = true, AsyncEnable = true, InterruptThreshold = 1 };
    }

    private static int RegisterOf(int port) => EhciOperationalOffsets.FirstPort + (4 * port);

    private UsbCommand Command
    {
        get => new(new(_bench.Register(_set, EhciOperationalOffsets.UsbCommand)));
        set => _bench.Register(_set, EhciOperationalOffsets.UsbCommand, value.Raw.Value);
    }

    /// <summary>The ring is left alone from here on; the device stays as it is.</summary>
    public void Stop() => Command = Command with { AsyncEnable = false };

    /// <summary>HCRESET, and up again.</summary>
    public string Reset()
    {
        Command = new() { Reset = true };
        Start();
        return "up";
    }

    /// <summary>Resets a port.</summary>
    /// <param name="port">From 0 on; null for the root port of its own.</param>
    public async Task<string> ResetPort(int? port = null)
    {
        int register = RegisterOf(port ?? _set);
        _bench.Register(_set, register, new PortStatusControl { Power = true, Reset = true }.Raw.Value);
        await _bench.Loop.Delay(12 * MillisecondNs);
        _bench.Register(_set, register, new PortStatusControl { Power = true }.Raw.Value);
        await _bench.Loop.Delay(2 * MillisecondNs);
        return new PortStatusControl(new(_bench.Register(_set, register))).Enabled ? "enabled" : "empty";
    }

    public void DisablePort() => _bench.Register(_set, RegisterOf(_set), new PortStatusControl { Power = true }.Raw.Value);

    public Task<string> SetAddress(byte to, byte from = 0, SplitPath path = default) =>
        Control(from, new() { Request = (byte)StandardRequest.SetAddress, Value = to }, path);

    public Task<string> Configure(byte address, SplitPath path = default) =>
        Control(address, new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }, path);

    public Task<string> AskTag(byte address, SplitPath path = default) =>
        Control(address, new() { In = true, Type = RequestType.Vendor, Request = TaggedDevice.AskTag, Length = 1 }, path);

    /// <summary>A control transfer, with data to the host where the request has any.</summary>
    public async Task<string> Control(byte address, SetupPacket setup, SplitPath path = default)
    {
        uint[] stages = [_base + StagesAt, _base + StagesAt + 0x80, _base + StagesAt + 0x100];
        _bench.Write(_base + SetupAt, setup);
        Transfer(stages[0], PacketId.Setup, _base + SetupAt, SetupPacket.Size, setup.Length == 0 ? stages[2] : stages[1], toggle: false);
        Transfer(stages[1], PacketId.In, _base + BufferAt, setup.Length, stages[2], toggle: true);
        Transfer(stages[2], setup.Length == 0 ? PacketId.In : PacketId.Out, _base + BufferAt, 0, next: null, toggle: true);
        string outcome = await Run(Queue(address, 0, 64, path), stages[0], stages[2]);
        int bytes = setup.Length - _bench.Read<TransferDescriptor>(stages[1]).Token.TotalBytes;
        return outcome == "done" && bytes != 0 ? $"done {Convert.ToHexString(_bench.ReadBytes(_base + BufferAt, bytes))}" : outcome;
    }

    public Task<string> Alternate(byte address) =>
        Control(address, new() { Recipient = RequestRecipient.Interface, Request = (byte)StandardRequest.SetInterface });

    /// <summary>A transfer that never ends, and is taken back after a millisecond.</summary>
    public Task<string> Cancel(byte address)
    {
        Transfer(_base + StagesAt, PacketId.In, _base + BufferAt, 512, next: null, toggle: false);
        return Run(Queue(address, TaggedDevice.Busy, 512), _base + StagesAt, _base + StagesAt, MillisecondNs);
    }

    /// <summary>A bulk transfer; what came is told by its first and last byte.</summary>
    public async Task<string> Bulk(byte address, bool isIn, int bytes, SplitPath path = default)
    {
        uint stage = _base + StagesAt;
        Transfer(stage, isIn ? PacketId.In : PacketId.Out, _base + BufferAt, bytes, next: null, toggle: false);
        int endpoint = isIn ? TaggedDevice.BulkIn : TaggedDevice.BulkOut;
        string outcome = await Run(Queue(address, endpoint, path.Hub == 0 ? 512 : 64, path), stage, stage);
        byte[] buffer = _bench.ReadBytes(_base + BufferAt, bytes);
        return outcome == "done" && isIn ? $"done {buffer[0]:X2} to {buffer[^1]:X2}" : outcome;
    }

    /// <summary>A report by the interrupt endpoint, over the frame list.</summary>
    public async Task<string> Report(byte address, SplitPath path = default)
    {
        uint stage = _base + StagesAt;
        await Forget();
        Transfer(stage, PacketId.In, _base + BufferAt, TaggedDevice.ReportBytes, next: null, toggle: false);
        QueueHead queue = Queue(address, TaggedDevice.Report, TaggedDevice.ReportBytes, path);
        _bench.Write(_base + QueueAt, queue with
        {
            Horizontal = new() { Terminate = true },
            Capabilities = queue.Capabilities with { StartMask = StartMask, CompleteMask = path.Hub == 0 ? (byte)0 : CompleteMask },
            Overlay = queue.Overlay with { Next = new() { Address = stage } },
        });
        LinkFrames(new() { Type = LinkType.QueueHead, Address = _base + QueueAt });
        _bench.Register(_set, EhciOperationalOffsets.PeriodicListBase, _base + FrameListAt);
        Command = Command with { PeriodicEnable = true };
        string outcome = await Wait(stage);
        Assert.Equal(queue.Characteristics, _bench.Read<QueueHead>(_base + QueueAt).Characteristics);

        // After a frame the controller has begun anew at the frame list.
        LinkFrames(new() { Terminate = true });
        await _bench.Loop.Delay(2 * MillisecondNs);
        byte[] buffer = _bench.ReadBytes(_base + BufferAt, TaggedDevice.ReportBytes);
        return outcome == "done" ? $"done {buffer[0]:X2} to {buffer[^1]:X2}" : outcome;
    }

    private static QueueHead Queue(byte address, int endpoint, int packetBytes, SplitPath path = default)
    {
        QueueHead queue = EhciBench.Queue(address, endpoint, packetBytes, 0, isHead: false, isControl: endpoint == 0);
        return path.Hub == 0 ? queue : queue with
        {
            Characteristics = queue.Characteristics with { Speed = EndpointSpeed.Full, ControlEndpoint = endpoint == 0 },
            Capabilities = queue.Capabilities with { HubAddress = path.Hub, HubPort = path.Port },
        };
    }

    private void LinkFrames(LinkPointer link)
    {
        for (uint frame = 0; frame < Frames; frame++)
            _bench.Write(_base + FrameListAt + (4 * frame), link);
    }

    private void Transfer(uint at, PacketId pid, uint buffer, int bytes, uint? next, bool toggle)
    {
        uint page = buffer & ~0xFFFu;
        Assert.True(bytes <= BuffersBytes);
        _bench.Write(at, new TransferDescriptor
        {
            Next = next is { } n ? new() { Address = n } : new() { Terminate = true },
            AlternateNext = new() { Terminate = true },
            Token = new() { Active = true, PacketId = pid, ErrorCount = 3, TotalBytes = bytes, DataToggle = toggle, InterruptOnComplete = next is null },
            Page0 = new(new(buffer)),
            Page1 = new(new(page + 0x1000)),
            Page2 = new(new(page + 0x2000)),
            Page3 = new(new(page + 0x3000)),
            Page4 = new(new(page + 0x4000)),
        });
    }

    private async Task<string> Run(QueueHead queue, uint first, uint last, ulong? patienceNs = null)
    {
        await Forget();

        // Into the ring, behind its head.
        _bench.Write(_base + QueueAt, queue with
        {
            Horizontal = new() { Type = LinkType.QueueHead, Address = _base + HeadAt },
            Overlay = queue.Overlay with { Next = new() { Address = first } },
        });
        Link(QueueAt);
        string outcome = await Wait(last, patienceNs);
        if (outcome == "stopped")
            return outcome;

        // The device address stays what the driver wrote.
        Assert.Equal(queue.Characteristics, _bench.Read<QueueHead>(_base + QueueAt).Characteristics);
        Link(HeadAt);
        Command = Command with { AsyncAdvanceDoorbell = true };
        for (int waited = 0; Command.AsyncAdvanceDoorbell && waited < 800; waited++)
            await _bench.Loop.Delay(SharedBench.MicroframeNs);
        return outcome;
    }

    // What became of the transfer before is reported with the next microframe at the latest.
    private async Task Forget()
    {
        await _bench.Loop.Delay(SharedBench.MicroframeNs);
        _bench.Register(_set, EhciOperationalOffsets.UsbStatus, Causes);
    }

    // Until the last part of a transfer is done, or its queue halts.
    private async Task<string> Wait(uint last, ulong? patienceNs = null)
    {
        ulong endNs = _bench.Loop.NowNs + (patienceNs ?? PatienceNs);
        string outcome = "timeout";
        while (_bench.Loop.NowNs < endNs)
        {
            await _bench.Loop.Delay(SharedBench.MicroframeNs);
            if (!Command.Run)
                return "stopped";
            if (!_bench.Read<TransferDescriptor>(last).Token.Active)
                outcome = "done";
            if (_bench.Read<QueueHead>(_base + QueueAt).Overlay.Token.Halted)
                outcome = "halted";

            // The interrupt is that of the status, and no status is ahead of what it reports.
            UsbStatus status = _bench.Status(_set);
            Assert.Equal((status.Raw.Value & Causes) != 0, _bench.IsInterrupting(_set));
            Assert.False(status.TransferInterrupt && outcome == "timeout");
            if (outcome != "timeout")
                break;
        }

        return outcome;
    }

    private void Link(uint to)
    {
        QueueHead head = _bench.Read<QueueHead>(_base + HeadAt);
        _bench.Write(_base + HeadAt, head with { Horizontal = new() { Type = LinkType.QueueHead, Address = _base + to } });
    }
}
