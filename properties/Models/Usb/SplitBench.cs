using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>An EHCI controller with a hub at its first port and slower devices behind the hub, and helpers that build periodic schedules by hand.</summary>
internal sealed class SplitBench : IDisposable
{
    public const byte HubAddress = 5;
    public const int MicroframeNs = 125_000;
    public const int FrameNs = 1_000_000;

    public SplitBench(EhciOptions? options = null, UsbHubOptions? hub = null, bool isMerged = false)
    {
        Bench = new(options, isMerged: isMerged);
        Hub = new(Bench.Loop, hub);
        Bench.Attach(Hub);
        Host = new(Bench.Controller.Usb);
        Host.Configure(HubAddress);
        for (uint frame = 0; frame < 1024; frame++)
            Link(frame, new() { Terminate = true });
    }

    public EhciBench Bench { get; }

    public UsbHub Hub { get; }

    public UsbTestHost Host { get; }

    /// <summary>When the schedule began to run.</summary>
    public ulong BeganNs { get; private set; }

    public void Dispose() => Bench.Dispose();

    /// <summary>Plugs a device into the hub and resets it.</summary>
    public void Attach(IUsbDevice device, int port = 1)
    {
        Assert.NotNull(Host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Power, port)));
        Hub.Downstream[port - 1].Plug(device);
        Bench.Loop.RunFor(50_000_000);
        Assert.NotNull(Host.Control(HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, port)));
        Bench.Loop.RunFor(20_000_000);
        Assert.True(Hub.StatusOf(port).Enabled);
    }

    /// <summary>Sets an element of the frame list.</summary>
    public void Link(uint frame, LinkPointer link) => Bench.Write(EhciBench.FrameList + (4 * frame), link);

    /// <summary>Sets every element whose number has some remainder.</summary>
    public void LinkEvery(uint period, uint first, LinkType type, uint address)
    {
        for (uint frame = first; frame < 1024; frame += period)
            Link(frame, new() { Type = type, Address = address });
    }

    /// <summary>Starts both schedules, or the periodic one alone; the first microframe begins now.</summary>
    public void Run(uint asyncHead = 0)
    {
        if (Bench.IsMerged)
            LinkEngine();
        else
            Bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, EhciBench.FrameList);
        if (asyncHead != 0)
            Bench.WriteRegister(EhciOperationalOffsets.AsyncListAddress, asyncHead);
        BeganNs = Bench.Loop.NowNs;
        Bench.UsbCommand = new() { Run = true, PeriodicEnable = true, AsyncEnable = asyncHead != 0, InterruptThreshold = 1 };
    }

    // The engine has the list of the guest, the controller that of the engine.
    private void LinkEngine()
    {
        uint Engine(int offset) => (uint)Bench.Controller.ReadBar(MergeEngineOffsets.Bar, (ulong)offset, sizeof(uint));
        void Slot(int offset, uint value) => Bench.Controller.WriteBar(MergeEngineOffsets.Bar, (ulong)(MergeEngineOffsets.FirstSlot + offset), sizeof(uint), value);
        Slot(MergeEngineOffsets.Frames, EhciBench.FrameList);
        Slot(MergeEngineOffsets.Control, 0b10);
        Bench.WriteRegister(EhciOperationalOffsets.Segment, Engine(MergeEngineOffsets.LinkSegment));
        Bench.WriteRegister(EhciOperationalOffsets.PeriodicListBase, Engine(MergeEngineOffsets.LinkFrames));
    }

    /// <summary>Runs until just before a microframe of the schedule begins.</summary>
    public void RunTo(ulong microframe) => Bench.Loop.RunFor(BeganNs + (microframe * MicroframeNs) - 1 - Bench.Loop.NowNs);

    /// <summary>A queue head behind the hub.</summary>
    public static QueueHead Queue(int device, int endpoint, int maxPacket, EndpointSpeed speed, bool isControl = false, byte start = 0, byte complete = 0, int port = 1) => new()
    {
        Horizontal = new() { Terminate = true },
        Characteristics = new()
        {
            DeviceAddress = device,
            Endpoint = endpoint,
            Speed = speed,
            MaxPacketSize = maxPacket,
            ToggleFromDescriptor = isControl,
            ControlEndpoint = isControl,
        },
        Capabilities = new() { Multiplier = 1, HubAddress = HubAddress, HubPort = port, StartMask = start, CompleteMask = complete },
        Overlay = new() { Next = new() { Terminate = true }, AlternateNext = new() { Terminate = true } },
    };

    /// <summary>Writes a queue head, linked to itself as the head of the asynchronous list, with its first transfer.</summary>
    public uint Ring(QueueHead head, uint transfer)
    {
        uint at = Bench.Take(128);
        Bench.Write(at, head with
        {
            Horizontal = new() { Type = LinkType.QueueHead, Address = at },
            Characteristics = head.Characteristics with { ReclamationHead = true },
        });
        Bench.Start(at, transfer);
        return at;
    }

    /// <summary>Writes an interrupt queue head with a transfer of so many bytes.</summary>
    public (uint Queue, uint Transfer, uint Buffer) Interrupt(QueueHead head, PacketId pid, int bytes, int errors = 3)
    {
        (uint queue, uint transfer, uint buffer) = (Bench.Take(128), Bench.Take(64), Bench.Take(Math.Max(bytes, 1), 4096));
        Bench.Write(queue, head);
        Bench.Transfer(transfer, pid, buffer, bytes, interrupts: true);
        TransferDescriptor descriptor = Bench.Read<TransferDescriptor>(transfer);
        Bench.Write(transfer, descriptor with { Token = descriptor.Token with { ErrorCount = errors } });
        Bench.Start(queue, transfer);
        return (queue, transfer, buffer);
    }

    /// <summary>Writes a siTD for a payload of so many bytes.</summary>
    public uint Stream(uint buffer, int bytes, bool isIn, byte start, byte complete, uint? back = null, int device = 9, int endpoint = 4, bool started = false)
    {
        uint at = Bench.Take(64);
        int parts = Math.Max((bytes + 187) / 188, 1);
        Bench.Write(at, new SplitIsochronousTransferDescriptor
        {
            Next = new() { Terminate = true },
            Endpoint = new() { DeviceAddress = device, Endpoint = endpoint, HubAddress = HubAddress, HubPort = 1, In = isIn },
            Schedule = new() { StartMask = start, CompleteMask = complete },
            State = new() { Active = true, TotalBytes = bytes, InterruptOnComplete = true, SplitTransactionState = started },
            Page0 = new(new(buffer)),
            Page1 = new()
            {
                Page = (buffer & ~0xFFFu) + 0x1000,
                TransactionCount = isIn ? 0 : parts,
                Position = parts == 1 ? SplitPosition.All : SplitPosition.Begin,
            },
            Back = back is { } b ? new() { Address = b, Type = LinkType.SplitIsochronousTransfer } : new() { Terminate = true },
        });
        return at;
    }

    public SplitIsochronousState StreamState(uint at) => Bench.Read<SplitIsochronousTransferDescriptor>(at).State;

    /// <summary>A whole control transfer through the schedule, to a full-speed device behind a hub; nothing comes where it was refused.</summary>
    public byte[] Control(byte hub, int device, SetupPacket setup)
    {
        uint[] stages = [.. Enumerable.Range(0, 3).Select(_ => Bench.Take(64))];
        (uint packet, uint buffer) = (Bench.Take(64), Bench.Take(4096, 4096));
        Bench.Write(packet, setup);
        Bench.Transfer(stages[0], PacketId.Setup, packet, SetupPacket.Size, next: setup.Length == 0 ? stages[2] : stages[1]);
        Bench.Transfer(stages[1], PacketId.In, buffer, setup.Length, next: stages[2], alternate: stages[2], toggle: true);
        Bench.Transfer(stages[2], setup.Length == 0 ? PacketId.In : PacketId.Out, buffer, 0, toggle: true);
        QueueHead head = Queue(device, 0, 64, EndpointSpeed.Full, isControl: true);
        uint ring = Ring(head with { Capabilities = head.Capabilities with { HubAddress = hub } }, stages[0]);
        Bench.RunAsync(ring);
        _ = Bench.Loop.RunUntil(() => Bench.Read<QueueHead>(ring).Overlay.Token.Halted || !Bench.Read<TransferDescriptor>(stages[2]).Token.Active, 20_000_000);
        bool isDone = !Bench.Read<TransferDescriptor>(stages[2]).Token.Active;
        int length = setup.Length - (isDone && setup.Length != 0 ? Bench.Read<TransferDescriptor>(stages[1]).Token.TotalBytes : 0);
        Bench.UsbCommand = new() { InterruptThreshold = 1 };
        Bench.Loop.RunFor(1_000_000);
        return isDone ? Bench.ReadBytes(buffer, length) : [];
    }

    /// <summary>Gives the device at address 0 an address and its first configuration.</summary>
    public void Configure(int device)
    {
        _ = Control(HubAddress, 0, new() { Request = (byte)StandardRequest.SetAddress, Value = (ushort)device });
        _ = Control(HubAddress, device, new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 });
        Assert.Equal([1], Control(HubAddress, device, new() { In = true, Request = (byte)StandardRequest.GetConfiguration, Length = 1 }));
    }
}
