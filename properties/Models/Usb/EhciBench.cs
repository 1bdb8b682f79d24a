using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A machine with nothing but memory and an EHCI controller, and helpers that build schedules by hand.</summary>
/// <remarks>Structures and buffers are handed out from low memory upward and never given back.</remarks>
internal sealed class EhciBench : IDisposable
{
    private const ulong DefaultMemoryBytes = 64 << 20;
    public const uint FrameList = 0x1000;

    private const int Operational = 0x20;
    private const int Command = 0x04;
    private const ushort MasterAndMemory = 0b110;

    private readonly bool _ownsMemory;
    private uint _free = 0x10_0000;

    /// <param name="options">How the controller is built.</param>
    /// <param name="wrap">What stands before memory.</param>
    /// <param name="memory">The memory; null for memory of its own.</param>
    /// <param name="isMerged">Whether a merge engine with one slot stands before the controller, and changes no address.</param>
    public EhciBench(EhciOptions? options = null, Func<IDmaFabric, IDmaFabric>? wrap = null, PhysicalMemory? memory = null, bool isMerged = false)
    {
        (Memory, _ownsMemory) = (memory ?? new(DefaultMemoryBytes), memory is null);
        DirectFabric direct = new(Memory, Router);
        Host = new(new SystemBus(Memory), wrap?.Invoke(direct) ?? direct);
        if (isMerged)
        {
            MergingEhciController merging = new(Loop, new() { Controller = (options ?? new()) with { Addresses64Bit = true }, SlotCount = 1, Addresses = new() { IsOn = false } });
            merging.PlugInto(Host, 0x1C);
            merging.Lanes[0].Configuration.Write(Command, 2, MasterAndMemory);
            Controller = merging;
        }
        else
        {
            EhciController plain = new(Loop, options ?? new());
            Host.Add(plain, 0x1D);
            Controller = plain;
        }

        IsMerged = isMerged;
        Master(true);
    }

    public PhysicalMemory Memory { get; }

    public EventLoop Loop { get; } = new();

    public InterruptRouter Router => _router ??= new(Loop);

    private InterruptRouter? _router;

    public PciHost Host { get; }

    public EhciFunction Controller { get; }

    /// <summary>Whether a merge engine stands before the controller.</summary>
    public bool IsMerged { get; }

    public UsbStatus Status => new(new(ReadRegister(EhciOperationalOffsets.UsbStatus)));

    public UsbCommand UsbCommand
    {
        get => new(new(ReadRegister(EhciOperationalOffsets.UsbCommand)));
        set => WriteRegister(EhciOperationalOffsets.UsbCommand, value.Raw.Value);
    }

    public void Dispose()
    {
        if (_ownsMemory)
            Memory.Dispose();
    }

    public void Master(bool isOn) =>
        Controller.Configuration.Write(Command, 2, isOn ? MasterAndMemory : 0u);

    public uint ReadRegister(int operational) => (uint)Controller.ReadBar(0, (ulong)(Operational + operational), 4);

    public void WriteRegister(int operational, uint value) => Controller.WriteBar(0, (ulong)(Operational + operational), 4, value);

    public PortStatusControl Port(int number = 1) => new(new(ReadRegister(PortOffset(number))));

    public void WritePort(PortStatusControl value, int number = 1) => WriteRegister(PortOffset(number), value.Raw.Value);

    public static int PortOffset(int number) => EhciOperationalOffsets.FirstPort + (4 * (number - 1));

    /// <summary>Takes memory for a structure or a buffer.</summary>
    public uint Take(int bytes, int alignment = 64)
    {
        _free = (uint)((_free + alignment - 1) & ~(alignment - 1));
        uint at = _free;
        _free += (uint)bytes;
        Assert.True(_free < DefaultMemoryBytes);
        return at;
    }

    public T Read<T>(uint address)
        where T : unmanaged
    {
        Assert.True(Memory.TryRead(new PhysicalAddress(address), out T value));
        return value;
    }

    public void Write<T>(uint address, in T value)
        where T : unmanaged => Assert.True(Memory.TryWrite(new(address), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value))));

    public byte[] ReadBytes(uint address, int count)
    {
        byte[] bytes = new byte[count];
        Assert.True(Memory.TryRead(new(address), bytes));
        return bytes;
    }

    public void WriteBytes(uint address, ReadOnlySpan<byte> bytes) => Assert.True(Memory.TryWrite(new(address), bytes));

    /// <summary>Plugs a device in, powers up and resets its port, so that it answers at address 0.</summary>
    public void Attach(IUsbDevice device, int port = 1)
    {
        WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        Controller.Usb.Ports[port - 1].Plug(device);
        ResetPort(port);
        Assert.True(Port(port).Enabled);
    }

    /// <summary>Lets too much current flow through a port of a controller that has no engine, or ends that.</summary>
    public void SetOverCurrent(int port, bool isOver) => ((EhciController)Controller).SetOverCurrent(port, isOver);

    public void ResetPort(int port = 1)
    {
        WritePort(new PortStatusControl { Power = true, Reset = true }, port);
        Loop.RunFor(50_000_000);
        WritePort(new PortStatusControl { Power = true }, port);
        Loop.RunFor(2_000_000);
    }

    /// <summary>Runs the controller with the asynchronous schedule, whose head is at an address.</summary>
    public void RunAsync(uint head, int threshold = 1)
    {
        WriteRegister(EhciOperationalOffsets.AsyncListAddress, head);
        UsbCommand = new() { Run = true, AsyncEnable = true, InterruptThreshold = threshold };
    }

    /// <summary>A queue head for a high-speed endpoint, linked to itself, with an empty queue.</summary>
    public static QueueHead Queue(int device, int endpoint, int maxPacket, uint self, bool isHead = true, bool isControl = false, int nakReload = 4) => new()
    {
        Horizontal = new() { Type = LinkType.QueueHead, Address = self },
        Characteristics = new()
        {
            DeviceAddress = device,
            Endpoint = endpoint,
            Speed = EndpointSpeed.High,
            ToggleFromDescriptor = isControl,
            ReclamationHead = isHead,
            MaxPacketSize = maxPacket,
            NakReload = nakReload,
        },
        Capabilities = new() { Multiplier = 1 },
        Overlay = new() { Next = new() { Terminate = true }, AlternateNext = new() { Terminate = true } },
    };

    /// <summary>Writes a qTD over a buffer that is contiguous in memory.</summary>
    public void Transfer(uint at, PacketId pid, uint buffer, int bytes, uint? next = null, uint? alternate = null, bool toggle = false, bool interrupts = false)
    {
        uint page = buffer & ~0xFFFu;
        Write(at, new TransferDescriptor
        {
            Next = next is { } n ? new() { Address = n } : new() { Terminate = true },
            AlternateNext = alternate is { } a ? new() { Address = a } : new() { Terminate = true },
            Token = new() { Active = true, PacketId = pid, ErrorCount = 3, TotalBytes = bytes, DataToggle = toggle, InterruptOnComplete = interrupts },
            Page0 = new(new(buffer)),
            Page1 = new(new(page + 0x1000)),
            Page2 = new(new(page + 0x2000)),
            Page3 = new(new(page + 0x3000)),
            Page4 = new(new(page + 0x4000)),
        });
    }

    /// <summary>A chain of transfers of 16 KiB each, all with the same buffer, for a queue that has enough to do.</summary>
    public uint Chain(PacketId pid, int count, out uint last)
    {
        uint buffer = Take(0x4000, 4096);
        uint[] transfers = [.. Enumerable.Range(0, count).Select(_ => Take(64))];
        for (int index = 0; index < count; index++)
            Transfer(transfers[index], pid, buffer, 0x4000, index + 1 < count ? transfers[index + 1] : null);
        last = transfers[^1];
        return transfers[0];
    }

    /// <summary>Makes a queue head point at its first qTD.</summary>
    public void Start(uint queue, uint transfer)
    {
        QueueHead head = Read<QueueHead>(queue);
        Write(queue, head with { Overlay = head.Overlay with { Next = new() { Address = transfer } } });
    }

    /// <summary>Runs until a qTD is no longer active.</summary>
    public TransferToken Finish(uint transfer, ulong limitNs = 100_000_000)
    {
        _ = Loop.RunUntil(() => !Read<TransferDescriptor>(transfer).Token.Active, limitNs);
        return Read<TransferDescriptor>(transfer).Token;
    }
}
