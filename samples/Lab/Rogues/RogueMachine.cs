using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Two guests with a device each; one of the devices is a rogue, behind a port of its own.</summary>
/// <remarks>
/// Each guest's driver opens its device and maps a page of its memory for it. The rogue prepares, its guest takes the page
/// back, and from then on nothing that the rogue does may be noticed by anybody else.
/// </remarks>
internal sealed class RogueMachine : IDisposable
{
    private const ulong HostBytes = 64 << 20;
    private const ulong VmmBytes = 8 << 20;
    private const ulong GuestBytes = 4 << 20;
    private const int LazyFrames = 64;
    private const byte Vector = 0x41;
    private const ulong SettlingNs = 20_000_000;
    private static readonly SourceId _place = new(0, 4, 0);
    private static readonly GuestPhysicalAddress _page = new(0x1000);

    // The VMM gives out its vectors in order, and the neighbour's device was there first.
    private static readonly MessageInterrupt _neighbourInterrupt = MessageInterrupt.To(destination: 1, vector: 32);

    private readonly RogueDefences _defences;
    private readonly RogueDevice _rogue;
    private readonly PciBridge _port;
    private readonly QuietDevice _neighbour = new();

    /// <summary>A machine that is switched on.</summary>
    /// <param name="rogue">Makes the rogue device.</param>
    /// <param name="defences">What protects the machine.</param>
    public RogueMachine(Func<EventLoop, RogueDevice> rogue, RogueDefences defences)
    {
        _defences = defences;
        Host = new(new()
        {
            MemoryBytes = HostBytes,
            VmmBytes = VmmBytes,
            Profile = HardwareProfile.Named("friendly-scalable"),
            RemapInterrupts = defences.RemapsInterrupts,
            Scalable = true,
        });
        _rogue = rogue(Host.Loop);
        _port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
        _port.Secondary.Add(_rogue, device: 0);
        Host.Pci.Add(_port, device: 1);
        Host.Pci.Add(_neighbour, device: 3);
        Host.Boot();
    }

    /// <summary>The machine.</summary>
    public Host Host { get; }

    /// <summary>Lets the rogue do what it does.</summary>
    /// <param name="protection">What stands against it.</param>
    /// <param name="isOn">Whether that is on.</param>
    public RogueResult Try(string protection, bool isOn) => Host.Loop.Run(() => Play(protection, isOn));

    /// <inheritdoc/>
    public void Dispose() => Host.Dispose();

    private async Task<RogueResult> Play(string protection, bool isOn)
    {
        VirtualMachine second = Host.CreateMachine("VM 2", GuestBytes);
        VirtualMachine first = _rogue is PageRequestFlood
            ? Host.TryCreateLazyMachine("VM 1", GuestBytes, LazyFrames) ?? throw new InvalidOperationException("The host has no memory for VM 1.")
            : Host.CreateMachine("VM 1", GuestBytes);
        first.Delivery = _defences.PostsInterrupts ? InterruptDelivery.Posted : InterruptDelivery.Remapped;
        Fill(second);
        Iova neighbourBuffer = await Open(_neighbour.Source, second);
        Iova buffer = await Open(_rogue.Source, first);
        RogueTarget target = new(buffer, neighbourBuffer, FrameOf(second), _neighbour.Source, _neighbourInterrupt);
        _rogue.Prepare(target);
        PhysicalAddress[] taken = first.Memory.Lazy is null ? [FrameOf(first)] : [];
        await TakeBack(first, buffer);
        await Weaken();

        ulong exits = first.Cpu.Processor.Meter[Cost.Exit];
        ulong interrupts = Host.AssignmentOf(_neighbour.Source).InterruptsForwarded;
        IsolationWatch watch = new(Host);
        watch.Begin(first, taken, PageRequestQueue());
        DmaStatus status = _rogue.Misbehave(target);
        ulong changed = watch.End();
        await Host.Cpu.Processor.Delay(SettlingNs);
        return new(
            _rogue.Habit,
            protection,
            isOn,
            status,
            changed,
            (ulong)_rogue.Loot.Count(value => value != 0),
            Host.AssignmentOf(_neighbour.Source).InterruptsForwarded - interrupts,
            first.Cpu.Processor.Meter[Cost.Exit] - exits,
            Host.Remapping.PageRequests?.Requests ?? 0,
            Records());
    }

    // Bytes that nobody can guess, so that each one that moves is seen.
    private void Fill(VirtualMachine machine)
    {
        byte[] pattern = new byte[GuestBytes];
        Host.RandomFor($"memory of {machine}").NextBytes(pattern);
        _ = machine.Cpu.TryWrite(new(0), pattern);
    }

    // Gives a device to a guest, whose driver turns it on and maps a page.
    private async ValueTask<Iova> Open(SourceId device, VirtualMachine machine)
    {
        Assignment assignment = Host.AssignmentOf(device);
        assignment.TrustsDeviceTlb = device == _rogue.Source && _defences.TrustsDevice;
        AssignmentResult assigned = await assignment.Assign(machine, _place);
        if (!assigned.IsDone)
            throw new InvalidOperationException($"{device} cannot be assigned: {assigned.Reason}.");
        IdentityDmaSpace memory = new(machine.Cpu, new(new(1 << 20), 1 << 20));
        _ = PciDevice.Open(machine.Cpu, new PciConfigurationPorts(machine.Cpu), _place, memory, Vector);
        HypercallResult mapped = await machine.Cpu.Call(
            Hypercall.MapDma, _place.Value, _page.Value, FrameSize.Page4K.Bytes, (ulong)DmaDirection.Bidirectional);
        return new(mapped.Value);
    }

    private async ValueTask TakeBack(VirtualMachine machine, Iova buffer)
    {
        if (_defences.Invalidates)
        {
            _ = await machine.Cpu.Call(Hypercall.UnmapDma, _place.Value, buffer.Value, FrameSize.Page4K.Bytes);
            return;
        }

        // The entry goes, and nobody tells the unit.
        WalkTranscript walk = Host.Unit.Explain(_rogue.Source, buffer, write: true);
        _ = Host.Memory.TryWrite(walk.Steps[^1].Address, 0ul);
    }

    private async ValueTask Weaken()
    {
        IConfigurationAccess port = Host.Configuration.Open(_port.Source);
        if (!_defences.ControlsAccess)
            port.Write16(_port.AccessControl!.Offset + 6, 0);
        if (!_defences.Translates)
            await Host.Remapping.Shutdown();

        // Errors of the past are nobody's.
        int status = _port.Express!.Offset + 0x0A;
        port.Write16(status, port.Read16(status));
    }

    // What the unit writes for a page request, it writes into a queue of one page that the host made for that.
    private PhysicalAddress[] PageRequestQueue() => Host.Remapping.PageRequests is null
        ? []
        : [new PageRequestQueueAddress(new(Host.Unit.Read(RegisterOffsets.PageRequestQueueAddress, 8))).Table];

    private static PhysicalAddress FrameOf(VirtualMachine machine)
    {
        EptWalkResult found = machine.Memory.Tables.Walk(_page, EptRights.Read);
        return found.Address;
    }

    private List<string> Records()
    {
        List<string> records = [.. Host.Faults.Log
            .GroupBy(logged => logged.Fault.Reason)
            .Select(group => $"{(int)group.Key:X}h: {group.Key}")];
        if (Host.Remapping.PageRequests is { Overflows: > 0 })
            records.Add("PRO: the queue of page requests was full");
        ushort status = Host.Configuration.Open(_port.Source).Read16(_port.Express!.Offset + 0x0A);
        if ((status & 0xF) != 0)
            records.Add($"DSTS {status & 0xF:X}h: errors at the port");
        return records;
    }
}
