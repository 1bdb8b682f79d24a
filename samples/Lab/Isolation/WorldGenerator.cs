using Dma.Hal;
using Dma.Iommu;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Draws world programs: devices that are given out, opened and mapped for, then steps of all kinds that mostly make sense.</summary>
internal sealed class WorldGenerator
{
    private const int StepsMax = 60;
    private const int DevicesMax = 5;
    private const ulong ScheduleBytes = 0x4000;

    private static readonly int[] _pages = [4, 8, 8, 16, 16, 32];
    private static readonly MappingPolicy[] _policies =
        [MappingPolicy.Deferred, MappingPolicy.Deferred, MappingPolicy.Optimistic, MappingPolicy.Bounce, MappingPolicy.Static];

    private static readonly WorldDeviceKind[] _kinds =
    [
        WorldDeviceKind.Probe, WorldDeviceKind.Probe, WorldDeviceKind.Probe, WorldDeviceKind.Ehci, WorldDeviceKind.Xhci, WorldDeviceKind.Edu,
    ];

    private static readonly string[] _profiles =
        [.. HardwareProfile.Names.Where(name => HardwareProfile.Named(name).HostAddressWidth >= 32)];

    private readonly Random _random;
    private readonly WorldProgram _program;
    private readonly ProgramNames _names;
    private readonly int[] _owners;
    private readonly StepVerb[] _verbs;
    private readonly List<WorldStep> _steps = [];

    private WorldGenerator(ulong seed, IReadOnlyList<Protection> without)
    {
        _random = new((int)(seed ^ (seed >> 32)));
        _program = DrawWorld(seed, without);
        _names = _program.Names;
        _owners = new int[_program.Devices.Count];
        _verbs = [.. WorldSteps.All.Where(IsPossible)];
    }

    /// <summary>Draws a program: the same one each time.</summary>
    /// <param name="seed">The seed of the search.</param>
    /// <param name="number">Which of its programs, from 0 on.</param>
    /// <param name="without">Protections that it does without.</param>
    public static WorldProgram Draw(ulong seed, ulong number, IReadOnlyList<Protection> without)
    {
        WorldGenerator generator = new(Mix(seed ^ Mix(number)), without);
        generator.GiveOut();
        int steps = generator._random.Next(4, StepsMax);
        while (generator._steps.Count < steps)
            generator.DrawSteps();
        return generator._program with { Steps = generator._steps };
    }

    // SplitMix64: neighbours among seeds and numbers have nothing in common.
    private static ulong Mix(ulong value)
    {
        value += 0x9E37_79B9_7F4A_7C15;
        value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9;
        value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB;
        return value ^ (value >> 31);
    }

    private WorldProgram DrawWorld(ulong seed, IReadOnlyList<Protection> without)
    {
        HardwareProfile profile;
        do
            profile = HardwareProfile.Named(_profiles[_random.Next(_profiles.Length)]);
        while (!without.All(protection => protection.IsThere(profile)));
        bool hasWitness = _random.Next(8) != 0;
        int guests = _random.Next(1, WorldProgram.GuestsMax);
        return new()
        {
            Profile = profile.Name,
            Seed = seed & 0xFFFF,
            Delivery = DrawDelivery(profile, without),
            Scalable = profile.ExtendedCapabilities.ScalableMode && _random.Next(4) == 0,
            Without = without,
            HasWitness = hasWitness,
            Guests = [.. Enumerable.Range(0, guests).Select(index => DrawGuest($"{(char)('a' + index)}"))],
            Devices = DrawDevices(_random.Next(1, DevicesMax + 1)),
        };
    }

    private List<WorldDeviceSpec> DrawDevices(int count)
    {
        List<WorldDeviceSpec> devices = [];
        while (devices.Count < count)
        {
            string name = $"d{devices.Count}";
            WorldDeviceSpec? beside = devices.Find(device => device is { Kind: WorldDeviceKind.Probe, Beside: null });
            devices.Add(beside is not null && _random.Next(2) == 0
                ? new(name, WorldDeviceKind.Probe, beside.Name)
                : new(name, _kinds[_random.Next(_kinds.Length)]));
        }

        return devices;
    }

    private WorldGuestSpec DrawGuest(string name)
    {
        if (_random.Next(6) == 0)
            return new(name, GuestIommu.PagesMin, HasIommu: true);
        MappingPolicy policy = _random.Next(2) == 0 ? MappingPolicy.Strict : _policies[_random.Next(_policies.Length)];
        return _random.Next(6) == 0
            ? new(name, WorldProgram.PagesMax / 2, LazyMemory.FramesMin, policy)
            : new(name, _pages[_random.Next(_pages.Length)], Policy: policy);
    }

    private InterruptDelivery DrawDelivery(HardwareProfile profile, IReadOnlyList<Protection> without)
    {
        bool canPost = profile.Capabilities.PostedInterrupts && profile.ExtendedCapabilities is { InterruptRemapping: true, QueuedInvalidation: true }
            && !without.Contains(Protection.InterruptRemapping);
        return _random.Next(4) switch
        {
            0 => InterruptDelivery.Emulated,
            1 when canPost => InterruptDelivery.Posted,
            _ => InterruptDelivery.Remapped,
        };
    }

    // A step for a kind of device is possible where there is one.
    private bool IsPossible(StepVerb verb) =>
        verb.Weight != 0 && (!IsOfIommu(verb) || _program.Guests.Any(guest => guest.HasIommu)) && (KindFor(verb) is not { } kind || _program.Devices.Any(device => device.Kind == kind));

    private static bool IsOfIommu(StepVerb verb) => verb.Name.StartsWith("iommu", StringComparison.Ordinal);

    private static WorldDeviceKind? KindFor(StepVerb verb) => verb.Name.Split('-')[0] switch
    {
        "ehci" => WorldDeviceKind.Ehci,
        "xhci" => WorldDeviceKind.Xhci,
        "edu" => WorldDeviceKind.Edu,
        "dma" or "forge" or "msi" or "interrupt" => WorldDeviceKind.Probe,
        _ => null,
    };

    private void GiveOut()
    {
        for (int guest = 0; guest < _program.Guests.Count; guest++)
        {
            if (_program.Guests[guest].HasIommu && _random.Next(8) != 0)
                Add("iommu-wake", (ulong)guest);
        }

        for (int device = 0; device < _owners.Length; device++)
        {
            // One that goes with another goes where that is; where groups do not count, anywhere.
            bool isBound = _program.Devices[device].Beside is not null && !_program.Without.Contains(Protection.Groups);
            _owners[device] = isBound ? _owners[_names.DeviceOf(_program.Devices[device].Beside!)] : _random.Next(_names.ActingGuests);
            if (_random.Next(8) == 0)
                continue;
            ulong owner = (ulong)_owners[device];
            Add("assign", (ulong)device, owner);
            Add("open", owner, (ulong)device);
            Add("map", owner, (ulong)device, new Place(PlaceKind.Own, 0, 0, 0), ScheduleBytes, 0ul);
            for (int more = _random.Next(3); more > 0; more--)
                Add("map", owner, (ulong)device, new Place(PlaceKind.Own, 0, _random.Next(16), 0), 4096ul, (ulong)_random.Next(3));
            if (_program.Devices[device].Kind == WorldDeviceKind.Ehci)
                Add("ehci-wake", owner, (ulong)device);
            else if (_program.Devices[device].Kind == WorldDeviceKind.Xhci)
                Add("xhci-wake", owner, (ulong)device);
        }
    }

    private void Add(string name, params IReadOnlyList<Argument> arguments) => _steps.Add(WorldSteps.Make(name, arguments));

    private void DrawSteps()
    {
        switch (_random.Next(12))
        {
            case 0:
                UseAndUnmap();
                break;
            case 1:
                ChangeOwner();
                break;
            default:
                DrawStep();
                break;
        }
    }

    // What is used, taken back and used again is what caches are tested with.
    private void UseAndUnmap()
    {
        if (DeviceOf(WorldDeviceKind.Probe) is not { } device)
            return;
        if (_program.Guests[_owners[device]].HasIommu)
        {
            UseAndClear(device, (ulong)_owners[device]);
            return;
        }

        ulong number = (ulong)_random.Next(3);
        Add(_random.Next(2) == 0 ? "dma-write" : "dma-read", device, new Place(PlaceKind.Mapping, 0, (int)number, 0), 64ul);
        Add("unmap", (ulong)_owners[device], device, number);
        if (_program.Guests[_owners[device]].Policy != MappingPolicy.Strict && _random.Next(2) == 0)
            Add("run", 400_000ul);
        Add("dma-write", device, new Place(PlaceKind.Gone, 0, _random.Next(4), 0), 64ul);
    }

    // The same where the VM has tables of its own.
    private void UseAndClear(ulong device, ulong owner)
    {
        ulong page = (ulong)_random.Next(GuestIommu.PagesMapped);
        Place address = Place.Of(page << 12);
        Add(_random.Next(2) == 0 ? "dma-write" : "dma-read", device, address, 64ul);
        Add("iommu-entry", owner, (ulong)GuestIommu.LeafTable, page, new Place(PlaceKind.Own, 0, _random.Next(GuestIommu.PagesMin), 0), (ulong)_random.Next(4));
        Add("iommu-sync", owner);
        Add("dma-write", device, address, 64ul);
    }

    // What a device knows of one owner, the next one looks for.
    private void ChangeOwner()
    {
        ulong device = (ulong)_random.Next(_owners.Length);
        ulong next = (ulong)_random.Next(_names.ActingGuests);
        if (_program.Devices[(int)device].Kind == WorldDeviceKind.Probe)
            Add("dma-read", device, new Place(PlaceKind.Mapping, 0, _random.Next(3), 0), 64ul);
        Add("return", device);
        Add("assign", device, next);
        _owners[device] = (int)next;
        Add("open", next, device);
        Add("load", next, device, new Place(PlaceKind.Registers, 0, 0, (ulong)_random.Next(16) * 4), 4ul);
        Add("map", next, device, new Place(PlaceKind.Own, 0, 0, 0), ScheduleBytes, 0ul);
    }

    private ulong? DeviceOf(WorldDeviceKind kind)
    {
        int first = _random.Next(_owners.Length);
        for (int index = 0; index < _owners.Length; index++)
        {
            int device = (first + index) % _owners.Length;
            if (_program.Devices[device].Kind == kind)
                return (ulong)device;
        }

        return null;
    }

    private void DrawStep()
    {
        StepVerb verb = DrawVerb();
        List<Argument> arguments = [.. verb.Parameters.Select(parameter => parameter.Draw(_random, _names))];
        for (int more = verb.IsRepeated ? _random.Next(16) : 0; more > 0; more--)
            arguments.Add(verb.ParameterOf(arguments.Count).Draw(_random, _names));
        int device = Array.FindIndex(verb.Parameters, static parameter => parameter is DeviceParameter { IncludesWitness: false });
        int guest = Array.FindIndex(verb.Parameters, static parameter => parameter is GuestParameter);
        if (IsOfIommu(verb))
            arguments[0] = (ulong)GuestWithIommu();
        if (device >= 0 && KindFor(verb) is { } kind)
            arguments[device] = DeviceOf(kind)!.Value;

        // Mostly those that have something to do with each other.
        if (guest >= 0 && device > guest && _random.Next(8) != 0)
            arguments[guest] = (ulong)_owners[arguments[device].Number];
        if (verb.Name.StartsWith("forge", StringComparison.Ordinal) && _random.Next(2) == 0)
            arguments[device + 1] = Sibling((int)arguments[device].Number) ?? arguments[device + 1];
        _steps.Add(new(verb, arguments));
        if (verb.Name == "assign")
            _owners[arguments[device].Number] = (int)arguments[guest].Number;
    }

    private int GuestWithIommu()
    {
        int first = _random.Next(_program.Guests.Count);
        while (!_program.Guests[first].HasIommu)
            first = (first + 1) % _program.Guests.Count;
        return first;
    }

    // Another function of the same device: the one whose name is the easiest to bear.
    private Argument? Sibling(int device)
    {
        string first = _program.Devices[device].Beside ?? _program.Devices[device].Name;
        for (int other = 0; other < _owners.Length; other++)
        {
            if (other != device && (_program.Devices[other].Beside ?? _program.Devices[other].Name) == first)
                return (ulong)other;
        }

        return null;
    }

    private StepVerb DrawVerb()
    {
        int weight = _random.Next(_verbs.Sum(verb => verb.Weight));
        foreach (StepVerb verb in _verbs)
        {
            weight -= verb.Weight;
            if (weight < 0)
                return verb;
        }

        return _verbs[^1];
    }
}
