using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Workloads;

/// <summary>Microframes of a controller with a register set for each VM, beside a loop on which one event happens in each.</summary>
/// <remarks>Idle, each set runs an empty asynchronous list. Loaded, each has a packet to send all the time: together they fill the bus, however many they are.</remarks>
public sealed class SharedMicroframeWorkload : Workload
{
    private const ulong MicroframeNs = 125_000;
    private const int Operational = 0x20;
    private const int Command = 0x04;
    private const ushort MasterAndMemory = 0b110;
    private const int DevicesMax = 31;
    private const uint PageBytes = 4096;
    private const int TransferAt = 0x100;
    private const int DataAt = 0x200;
    private const int PacketBytes = 64;
    private const int Nobody = 99;

    private readonly EventLoop _loop = new();
    private readonly EventLoop _empty = new();
    private readonly PhysicalMemory _memory;
    private readonly SharedEhciController _controller;
    private readonly ScheduledEvent _turn;

    /// <summary>A controller that so many VMs share.</summary>
    /// <param name="vms">How many, 1 to 64.</param>
    /// <param name="isLoaded">Whether they have work for it.</param>
    public SharedMicroframeWorkload(int vms, bool isLoaded)
    {
        _turn = new(Turn);
        Turn();
        _memory = new((ulong)(vms + 1) * PageBytes);
        _controller = new(_loop, new() { SetCount = vms, RootPortCount = vms });
        PciHost host = new(new SystemBus(_memory), new DirectFabric(_memory, new InterruptRouter(_loop)));
        foreach (EhciInterface shared in _controller.Interfaces)
        {
            host.Add(shared, 1 + (shared.Number % DevicesMax), shared.Number / DevicesMax);
            shared.Configuration.Write(Command, 2, MasterAndMemory);
            Start(shared, isLoaded);
        }
    }

    /// <inheritdoc/>
    public override ulong Baseline() => Run(_empty);

    /// <inheritdoc/>
    public override ulong Simulator() => Run(_loop);

    /// <inheritdoc/>
    public override string? FindDifference() => Compare(0, Baseline(), Simulator())
        ?? (_controller.Interfaces.All(shared => shared.IsRunning) ? null : "A register set has stopped.");

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _memory.Dispose();
    }

    private static ulong Run(EventLoop loop)
    {
        ulong start = loop.NowNs;
        loop.RunFor(OperationsPerBatch * MicroframeNs);
        return (loop.NowNs - start) / MicroframeNs;
    }

    private void Start(EhciInterface shared, bool isLoaded)
    {
        uint home = (uint)(shared.Number + 1) * PageBytes;
        LinkPointer link = new() { Type = LinkType.QueueHead, Address = home };
        Write(home, new QueueHead
        {
            Horizontal = link,
            Characteristics = new() { DeviceAddress = Nobody, Endpoint = 1, Speed = EndpointSpeed.High, ReclamationHead = true, MaxPacketSize = PacketBytes },
            Capabilities = new() { Multiplier = 1 },
            Overlay = new() { Next = new() { Terminate = !isLoaded, Address = home + TransferAt }, AlternateNext = new() { Terminate = true } },
        });
        Write(home + TransferAt, new TransferDescriptor
        {
            Next = new() { Terminate = true },
            AlternateNext = new() { Terminate = true },
            Token = new() { Active = true, PacketId = PacketId.Setup, TotalBytes = PacketBytes },
            Page0 = new(new(home + DataAt)),
        });
        shared.WriteBar(0, Operational + EhciOperationalOffsets.AsyncListAddress, 4, home);
        shared.WriteBar(0, Operational + EhciOperationalOffsets.UsbCommand, 4, new UsbCommand { Run = true, AsyncEnable = true, InterruptThreshold = 8 }.Raw.Value);
    }

    private void Write<T>(uint address, in T value)
        where T : unmanaged => _ = _memory.TryWrite(new(address), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    private void Turn() => _empty.Schedule(MicroframeNs, _turn);
}
