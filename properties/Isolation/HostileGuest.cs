using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Which protection is missing, so that a search which finds nothing elsewhere has something to find.</summary>
internal enum Missing
{
    /// <summary>None is.</summary>
    Nothing,

    /// <summary>The device's context entry lets everything through.</summary>
    Translation,

    /// <summary>Mappings are taken out of the tables, and the unit is not told.</summary>
    Invalidation,
}

/// <summary>A guest that has a real EHCI controller with a disk and means no good, beside a guest that has nothing to do with it.</summary>
/// <remarks>Whenever the controller can have done something, every byte of the host is compared with what it was.</remarks>
internal sealed class HostileGuest : IDisposable
{
    public const ulong PageSize = 4096;
    public const ulong GuestBytes = 16 * PageSize;

    private const ulong MiB = 1 << 20;
    // Tables of the remapping unit lie below, those of EPT above.
    private const ulong VmmBytes = 2 * MiB;
    private const int Operational = 0x20;
    private const ulong MicroframeNs = 125_000;
    private static readonly SourceId _place = new(0, 2, 0);

    private readonly BusTrace _trace = new();
    private readonly Host _host;
    private readonly EhciController _controller;
    private readonly VirtualMachine _attacker;
    private readonly VirtualMachine _victim;
    private readonly Missing _missing;
    private readonly List<(ulong Device, ulong Guest, ulong Length, DmaDirection Direction)> _mappings = [];
    private readonly List<ulong> _gone = [];
    private readonly ulong _bar;
    private int _seen;

    public HostileGuest(HardwareProfile profile, Missing missing)
    {
        _missing = missing;
        _host = new(new() { MemoryBytes = 4 * MiB, VmmBytes = VmmBytes, Profile = profile, Trace = _trace });
        _controller = new(_host.Loop);
        byte[] disk = new byte[16 * 512];
        Array.Fill(disk, (byte)0xD1);
        _controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(disk)));
        _host.Pci.Add(_controller, 0x1D);
        _host.Boot();
        _attacker = Begin("attacker", 0xAA);
        _victim = Begin("victim", 0x55);
        Assignment assignment = _host.AssignmentOf(_controller.Source);
        Assert.True(_host.Loop.Run(() => assignment.Assign(_attacker, _place).AsTask()).IsDone);
        if (missing == Missing.Translation)
        {
            _host.Loop.Run(async () =>
            {
                await _host.Remapping.Detach(_controller.Source);
                Assert.Equal(DmaRefusal.None, await _host.Remapping.AttachPassThrough(_controller.Source));
            });
        }

        _attacker.Pci.WriteConfiguration(_place, PciOffset.Command, 2, (uint)(PciCommand.BusMaster | PciCommand.MemorySpace));
        _bar = _attacker.Pci.ReadConfiguration(_place, PciOffset.Bar0, 4) & ~0xFul;

        // Schedules, a buffer to write to, one to read from.
        Map(0, 2, DmaDirection.Bidirectional);
        Map(2, 2, DmaDirection.FromDevice);
        Map(5, 1, DmaDirection.ToDevice);
        WakeUp();
    }

    /// <summary>Where the controller finds the schedules, as long as nothing took them away; without translation, where they are.</summary>
    public ulong Schedules => _missing == Missing.Translation ? FrameOf(_attacker, 0) : DmaMappings.WindowStart;

    public void Dispose() => _host.Dispose();

    /// <summary>The number behind a place.</summary>
    public ulong AddressOf(Place place) => unchecked(place.Offset + place.Where switch
    {
        Where.Mapping => _mappings.Count == 0 ? 0 : _mappings[place.Number % _mappings.Count].Device,
        Where.Gone => _gone.Count == 0 ? 0 : _gone[place.Number % _gone.Count],
        Where.OwnMemory => (ulong)(place.Number % 16) * PageSize,
        Where.OwnFrames => FrameOf(_attacker, place.Number),
        Where.Victim => FrameOf(_victim, place.Number),
        Where.Tables => MiB + ((ulong)(place.Number % 64) * PageSize),
        Where.Unit => MemoryLayout.RemappingUnit,
        Where.Interrupts => InterruptRange.First,
        _ => (ulong)place.Number << 33,
    });

    /// <summary>A store into a register of the controller.</summary>
    public void Store(int offset, uint value) => Watched(() => _attacker.Cpu.Store(new(_bar + (ulong)offset), 4, value));

    /// <summary>A store into an operational register.</summary>
    public void Operate(int register, uint value) => Store(Operational + register, value);

    /// <summary>A store into the virtual configuration space; the VMM follows it with the guest's EPT, whose tables may come and go.</summary>
    public void Configure(int offset, uint value) => Watched(
        () => _attacker.Pci.WriteConfiguration(_place, offset, 4, value),
        place => place.Value >= VmmBytes && !_host.Frames.OwnerOf(place).IsGuest);

    /// <summary>Software writes into the guest's own memory.</summary>
    public void Write(ulong guest, ReadOnlySpan<uint> words)
    {
        for (int index = 0; index < words.Length; index++)
            _attacker.Cpu.Store(new(guest + ((ulong)index * 4)), 4, words[index]);
    }

    /// <summary>Time passes.</summary>
    public void Wait(int microframes) => Watched(() => _host.Loop.RunFor((ulong)microframes * MicroframeNs));

    /// <summary>Resets the controller and brings it up as a driver does, until a device answers at address 0.</summary>
    public void WakeUp()
    {
        Operate(EhciOperationalOffsets.UsbCommand, 0);
        Wait(16);
        Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Reset = true }.Raw.Value);
        Wait(1);
        Operate(EhciOperationalOffsets.ConfigureFlag, 1);
        Operate(EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, InterruptThreshold = 1 }.Raw.Value);
        Wait(16);
        Operate(EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true, Reset = true }.Raw.Value);
        Wait(8 * 55);
        Operate(EhciOperationalOffsets.FirstPort, new PortStatusControl { Power = true }.Raw.Value);
        Wait(8 * 5);
    }

    public void Map(int page, int pages, DmaDirection direction)
    {
        HypercallResult result = Call(Hypercall.MapDma, (ulong)page * PageSize, (ulong)pages * PageSize, (ulong)direction);
        if (result.Refusal == DmaRefusal.None)
            _mappings.Add((result.Value, (ulong)page * PageSize, (ulong)pages * PageSize, direction));
    }

    public void Unmap(int number)
    {
        if (_mappings.Count == 0)
            return;
        (ulong device, _, ulong length, DmaDirection direction) = _mappings[number % _mappings.Count];
        if (_missing == Missing.Invalidation)
        {
            for (ulong at = device; at < device + length; at += PageSize)
                ClearLeaf(at, direction);
        }
        else
        {
            Assert.Equal(DmaRefusal.None, Call(Hypercall.UnmapDma, device, length, 0).Refusal);
        }

        _gone.Add(device);
        _mappings.RemoveAt(number % _mappings.Count);
    }

    /// <summary>What must hold in the end, whatever was done.</summary>
    public void CheckFaults()
    {
        Watched(() => _host.Loop.RunFor(1_000_000));
        bool anyFault = _trace.Events.Any(entry => entry.Kind == TraceKind.Fault && IsRecorded(entry));
        Assert.Equal(anyFault, _host.Faults.Total != 0);
        Assert.All(_host.Faults.Log, fault => Assert.Equal((_controller.Source, "attacker"), (fault.Fault.Source, fault.Machine)));
    }

    private static ulong FrameOf(VirtualMachine machine, int number) =>
        machine.Memory.Tables.Walk(new((ulong)(number % 16) * PageSize), EptRights.Read).Address.Value;

    private VirtualMachine Begin(string name, byte pattern)
    {
        VirtualMachine machine = _host.CreateMachine(name, GuestBytes);
        byte[] content = new byte[GuestBytes];
        Array.Fill(content, pattern);
        Assert.True(machine.Cpu.TryWrite(new(0), content));
        return machine;
    }

    private void ClearLeaf(ulong device, DmaDirection direction)
    {
        WalkTranscript walk = _host.Unit.Explain(_controller.Source, new(device), direction == DmaDirection.FromDevice);
        Assert.True(walk.Passes);
        Assert.True(_host.Memory.TryWrite(walk.Steps[^1].Address, 0ul));
    }

    private HypercallResult Call(Hypercall number, ulong first, ulong second, ulong third) => _host.Loop.Run(() =>
        _attacker.Cpu.Call(number, _place.Value, first, second, third).AsTask());

    // Nothing that the controller does meanwhile may change a byte but in pages that are mapped for it to write, and
    // what the bus refuses must be known to the unit as a fault.
    private void Watched(Action action, Func<PhysicalAddress, bool>? mayChange = null)
    {
        MemorySnapshot before = new(_host.Memory);
        action();
        foreach ((PhysicalAddress start, int length) in before.Changes(_host.Memory))
        {
            Assert.True(
                IsWritable(start) || mayChange?.Invoke(start) == true,
                $"{length} bytes at {start} changed, in memory of {_host.Frames.OwnerOf(start)}, which is not mapped for writing.");
        }

        for (; _seen < _trace.Events.Count; _seen++)
        {
            TraceEvent entry = _trace.Events[_seen];
            if (entry.Status != DmaStatus.Blocked || entry.Kind == TraceKind.Fault || !IsRecorded(entry))
                continue;
            Assert.Contains(_trace.Events.Take(_seen).Reverse().Take(4), fault => fault.Kind == TraceKind.Fault && fault.TimeNs == entry.TimeNs);
        }
    }

    // Some units refuse what is no interrupt in the interrupt range without a word.
    private bool IsRecorded(TraceEvent entry) =>
        _host.Unit.Profile.ReportsInterruptRangeRequests || !InterruptRange.Contains(entry.Address);

    private bool IsWritable(PhysicalAddress place)
    {
        foreach ((_, ulong guest, ulong length, DmaDirection direction) in _mappings)
        {
            if (!direction.HasFlag(DmaDirection.FromDevice))
                continue;
            for (ulong at = guest; at < guest + length; at += PageSize)
            {
                if (_attacker.Memory.Tables.Walk(new(at), EptRights.Read).Address.Page == place.Page)
                    return true;
            }
        }

        return false;
    }
}

/// <summary>Somewhere an attack may point to.</summary>
internal enum Where
{
    Mapping,
    Gone,
    OwnMemory,
    OwnFrames,
    Victim,
    Tables,
    Unit,
    Interrupts,
    FarAway,
}

/// <summary>An address that an attack uses, by what is there.</summary>
internal readonly record struct Place(Where Where, int Number, ulong Offset)
{
    public override string ToString() => $"{Where} {Number}+{Offset:X}h";
}
