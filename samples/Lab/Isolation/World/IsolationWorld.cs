using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A world that a program plays in: a host, its VMs and devices, and the checks that watch all of them.</summary>
/// <remarks>The first violation counts; what comes after it in the same step may follow from it.</remarks>
internal sealed class IsolationWorld : IDisposable
{
    private const ulong PageBytes = 4096;
    private const ulong TablesStart = 1 << 20;
    private const ulong SettleNs = 200_000_000;
    private const ulong SoftwareLimitNs = 60_000_000_000;
    private const int WitnessPages = 2;

    private readonly MemoryWatch _watch;
    private readonly AfterStep _afterStep;
    private readonly Witness? _witness;
    private readonly Dictionary<uint, string> _secrets = [];
    private readonly byte[] _page = new byte[PageBytes];
    private int _machines;

    /// <summary>A world that is switched on.</summary>
    public IsolationWorld(WorldProgram program)
    {
        Program = program;
        Monitor = new(this);
        Host = WorldBuilder.Build(program, Monitor);
        _watch = Monitor.Begin(Host);
        IReadOnlyList<(string Name, PciFunction Function)> functions = WorldBuilder.Plug(program, Host);
        Host.Boot();
        Devices = WorldBuilder.Finish(program, Host, functions);
        ProgramNames names = program.Names;
        Guests = [.. names.Guests.Select((name, index) => new WorldGuest(index, name, index < program.Guests.Count ? program.Guests[index] : new(name, WitnessPages)))];
        HasLazyGuests = Guests.Any(guest => guest.LazyFrames != 0);
        HasTimers = Guests.Any(guest => guest.Policy is MappingPolicy.Deferred or MappingPolicy.Optimistic);
        HasCaller = false;
        Host.Loop.RunFor(SettleNs);
        foreach (WorldDevice device in Devices)
            device.Pristine = Fingerprint(device);
        AreInterruptsIsolated = program.Without.Contains(Protection.InterruptRemapping) || Host.Remapping.Interrupts is not null;
        _afterStep = new(this);
        foreach (WorldGuest guest in Guests)
            Create(guest);
        if (program.HasWitness)
            _witness = new(this, Guests[^1], Devices[^1]);
        CheckBooks();
        CheckWitness();
    }

    /// <summary>The program.</summary>
    public WorldProgram Program { get; }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VMs, the witness last.</summary>
    public IReadOnlyList<WorldGuest> Guests { get; }

    /// <summary>Whether the frames of some VM come and go.</summary>
    public bool HasLazyGuests { get; }

    /// <summary>Whether mappings of some VM end some time after it took them back.</summary>
    public bool HasTimers { get; }

    /// <summary>The devices, the witness's last.</summary>
    public IReadOnlyList<WorldDevice> Devices { get; }

    /// <summary>Who looks at each request.</summary>
    public AccessMonitor Monitor { get; }

    /// <summary>Whether the host promises that no device raises the interrupt of another one.</summary>
    public bool AreInterruptsIsolated { get; }

    /// <summary>The device that sends now, whatever name its requests have; null where devices send in their own name.</summary>
    public WorldDevice? Sender { get; private set; }

    /// <summary>Whether somebody waits for software of the VMM; what it does else, it does later than it was asked to.</summary>
    public bool HasCaller { get; private set; } = true;

    /// <summary>What was violated first; null where nothing was.</summary>
    public Violation? Violation { get; private set; }

    /// <summary>Notes a violation.</summary>
    public void Violate(string invariant, string text) => Violation ??= new(invariant, text);

    /// <summary>Takes a step, then checks.</summary>
    public void Take(WorldStep step)
    {
        step.Take(this);
        CheckBooks();
        CheckWitness();
    }

    /// <summary>Gives everything back and ends: nothing may be left.</summary>
    public void End()
    {
        foreach (WorldGuest guest in Guests)
            Destroy(guest);
        CheckBooks();
        foreach (WorldDevice device in Devices)
        {
            if (device.Assignment.State is not (AssignmentState.Host or AssignmentState.Quarantined))
                AssignmentSteps.TakeBack(this, device);
        }

        CheckBooks();
    }

    /// <summary>The device that is found under a source-id; null where there is none.</summary>
    public WorldDevice? DeviceAt(SourceId source)
    {
        foreach (WorldDevice device in Devices)
        {
            if (device.Source == source)
                return device;
        }

        return null;
    }

    /// <summary>The number that a place is now.</summary>
    public ulong AddressOf(Place place, WorldGuest? guest, WorldDevice? device) => unchecked(place.Offset + place.Kind switch
    {
        PlaceKind.Mapping => device is { Mappings.Count: > 0 } ? device.Mappings[place.Number % device.Mappings.Count].Device : 0,
        PlaceKind.Gone => device?.Gone(place.Number) ?? 0,
        PlaceKind.Own => guest is null ? (ulong)place.Number * PageBytes : (ulong)(place.Number % guest.Pages) * PageBytes,
        PlaceKind.Frame => Guests[place.Who].FrameOf(place.Number),
        PlaceKind.Vmm => TablesStart + ((ulong)place.Number * PageBytes % (Host.Options.VmmBytes - TablesStart)),
        PlaceKind.Unit => MemoryLayout.RemappingUnit,
        PlaceKind.Interrupts => InterruptRange.First,
        PlaceKind.Configuration => MemoryLayout.EcamStart,
        PlaceKind.Registers => guest?.Machine is { } machine && device is not null
            ? machine.Pci.ReadConfiguration(device.GuestPlace, PciOffset.Bar0, 4) & ~0xFul
            : 0,
        _ => 0,
    });

    /// <summary>Lets software of a VM act.</summary>
    public void ActAs(WorldGuest guest, Action action)
    {
        using ActingGuest acting = new(Monitor, guest);
        action();
    }

    /// <summary>Lets a device send, known as who it is.</summary>
    public DmaStatus Send(WorldDevice device, Func<ProbeDevice, DmaStatus> request)
    {
        if (device.Probe is not { } probe)
            return DmaStatus.None;
        Sender = device;
        try
        {
            return request(probe);
        }
        finally
        {
            Sender = null;
        }
    }

    /// <summary>Runs software of the VMM, or a call of a VM to it, until it returns.</summary>
    public T Run<T>(Func<Task<T>> software)
    {
        HasCaller = true;
        try
        {
            return Host.Loop.Run(software, SoftwareLimitNs);
        }
        finally
        {
            HasCaller = false;
        }
    }

    /// <summary>A VM read something: it must not be a secret of somebody else.</summary>
    public void Learned(WorldGuest guest, ulong value)
    {
        CheckSecret(guest, (uint)value);
        CheckSecret(guest, (uint)(value >> 32));
    }

    /// <summary>Creates the machine of a VM, where it has none: its memory must be zeros in frames of nobody else, and is filled with its secret.</summary>
    public void Create(WorldGuest guest)
    {
        ulong bytes = (ulong)guest.Pages * PageBytes;
        if (guest.Machine is not null
            || (guest.LazyFrames == 0 ? Host.TryCreateMachine(guest.Name, bytes) : Host.TryCreateLazyMachine(guest.Name, bytes, guest.LazyFrames)) is not { } machine)
        {
            return;
        }

        machine.Mapping = guest.Mapping;
        guest.Machine = machine;
        guest.Hal = new(this, guest, machine);
        if (guest.HasIommu)
            _ = machine.AddIommu();
        guest.Iommu = guest.HasIommu ? new(this, guest, machine) : null;
        guest.Frames = [.. machine.Memory.Blocks.SelectMany(block => Enumerable.Range(0, (int)block.Size.Frames).Select(frame => block.Host.Page + (ulong)frame))];
        if (guest.Frames.Any(frame => Monitor.OwnerOf(frame) >= 0))
            Violate("U1", $"VM {guest.Name} begins in memory of another VM");
        Monitor.Own(guest, isOwner: true);
        guest.Secret = (uint)Host.RandomFor($"secret {_machines++}").NextInt64(1, uint.MaxValue);
        _secrets[guest.Secret] = guest.Name;
        ActAs(guest, () => Fill(guest, machine));
    }

    /// <summary>Ends the machine of a VM, where it has one.</summary>
    public void Destroy(WorldGuest guest)
    {
        if (guest.Machine is not { } machine)
            return;
        WorldDevice[] taken = [.. Devices.Where(device => device.Assignment.Machine == machine)];
        foreach (WorldDevice device in taken)
            AssignmentSteps.BeforeTakeBack(this, device);
        _ = Run(async () =>
        {
            await Host.Destroy(machine);
            return true;
        });
        Monitor.Own(guest, isOwner: false);
        (guest.Machine, guest.Hal, guest.Iommu, guest.Frames) = (null, null, null, []);
        foreach (WorldDevice device in taken)
            AssignmentSteps.AfterMove(this, device);
    }

    /// <summary>A device was given to a VM: nothing of the last owner may be in its registers.</summary>
    public void CheckPristine(WorldDevice device)
    {
        if (Fingerprint(device) != device.Pristine)
            Violate("K3", $"device {device.Name} comes to {device.Assignment.Machine} with registers that are not those after a reset");
    }

    /// <summary>Gives the memory back to the machine below.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        Host.Dispose();
    }

    /// <summary>Compares tables, owners and pins with the books.</summary>
    public void CheckBooks() => _afterStep.Run();

    /// <summary>Lets the witness make a round.</summary>
    public void CheckWitness() => _witness?.Round();

    private void Fill(WorldGuest guest, VirtualMachine machine)
    {
        for (int page = 0; page < guest.Pages; page++)
        {
            GuestPhysicalAddress address = new((ulong)page * PageBytes);
            if (!machine.Cpu.TryRead(address, _page) || _page.AsSpan().ContainsAnyExcept((byte)0))
                Violate("U1", $"VM {guest.Name} begins with bytes of somebody else");
            MemoryMarshal.Cast<byte, uint>(_page.AsSpan()).Fill(guest.Secret);
            _ = machine.Cpu.TryWrite(address, _page);
        }
    }

    private void CheckSecret(WorldGuest guest, uint value)
    {
        if (value != guest.Secret && _secrets.TryGetValue(value, out string? owner))
            Violate("U1", $"VM {guest.Name} read the secret of {(owner == guest.Name ? "the VM that had its name before" : $"VM {owner}")}");
    }

    private static ulong Fingerprint(WorldDevice device)
    {
        ulong hash = 0xCBF29CE484222325;
        ulong bytes = Math.Min(device.BarBytes, 0x500);
        for (ulong at = 0; at < bytes; at += sizeof(uint))
            hash = (hash ^ device.Function.ReadBar(0, at, sizeof(uint))) * 0x100000001B3;
        return hash;
    }
}
