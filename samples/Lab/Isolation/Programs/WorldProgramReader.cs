using System.Diagnostics.CodeAnalysis;
using Dma.Hal;
using Dma.Iommu;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Reads world programs: what the world is made of, then a step on each line; # begins a comment.</summary>
internal sealed class WorldProgramReader
{
    private static readonly Dictionary<string, InterruptDelivery> _deliveries = new()
    {
        ["emulated"] = InterruptDelivery.Emulated,
        ["remapped"] = InterruptDelivery.Remapped,
        ["posted"] = InterruptDelivery.Posted,
    };

    // A host of worlds lets no device go untranslated.
    private static readonly Dictionary<string, MappingPolicy> _policies = new()
    {
        ["strict"] = MappingPolicy.Strict,
        ["deferred"] = MappingPolicy.Deferred,
        ["optimistic"] = MappingPolicy.Optimistic,
        ["bounce"] = MappingPolicy.Bounce,
        ["static"] = MappingPolicy.Static,
    };

    private static readonly Dictionary<string, WorldDeviceKind> _kinds = new()
    {
        ["probe"] = WorldDeviceKind.Probe,
        ["ehci"] = WorldDeviceKind.Ehci,
        ["xhci"] = WorldDeviceKind.Xhci,
        ["edu"] = WorldDeviceKind.Edu,
    };

    private readonly List<WorldGuestSpec> _guests = [];
    private readonly List<WorldDeviceSpec> _devices = [];
    private readonly List<Protection> _without = [];
    private readonly List<WorldStep> _steps = [];
    private WorldProgram _program = new();
    private ProgramNames? _names;
    private int _line;

    private WorldProgramReader()
    {
    }

    /// <summary>Reads a program.</summary>
    /// <exception cref="WorldProgramException">It is none; the message names the line.</exception>
    public static WorldProgram Read(string text)
    {
        WorldProgramReader reader = new();
        foreach (string line in text.ReplaceLineEndings("\n").Split('\n'))
        {
            reader._line++;
            string[] words = line.Split('#')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length != 0)
                reader.Take(words);
        }

        return reader.Finish();
    }

    /// <summary>The word for a way of delivery.</summary>
    public static string WordOf(InterruptDelivery delivery) => _deliveries.First(pair => pair.Value == delivery).Key;

    /// <summary>The word for a kind of device.</summary>
    public static string WordOf(WorldDeviceKind kind) => _kinds.First(pair => pair.Value == kind).Key;

    /// <summary>The word for a policy.</summary>
    public static string WordOf(MappingPolicy policy) => _policies.First(pair => pair.Value == policy).Key;

    private WorldProgram Finish()
    {
        _line = 0;
        if (_guests.Count == 0)
            Fail("A program has at least one VM: vm NAME PAGES.");
        if (_devices.Count == 0)
            Fail("A program has at least one device: device NAME KIND.");
        HardwareProfile profile = HardwareProfile.Named(_program.Profile);
        if (_program.Scalable && !profile.ExtendedCapabilities.ScalableMode)
            Fail($"The unit of profile {_program.Profile} has no scalable mode.");
        foreach (Protection protection in _without.Where(protection => !protection.IsThere(profile)))
            Fail($"A host with the unit of profile {_program.Profile} has no {protection.Name} to do without.");
        return Described() with { Steps = _steps };
    }

    private WorldProgram Described() => _program with { Guests = _guests, Devices = _devices, Without = _without };

    private void Take(string[] words)
    {
        if (TakeHeader(words))
        {
            if (_steps.Count != 0)
                Fail($"'{words[0]}' says what the world is made of, and stands before the first step.");
            return;
        }

        if (!WorldSteps.TryFind(words[0], out StepVerb? verb))
            Fail($"'{words[0]}' is no step. There are: {string.Join(", ", WorldSteps.All.Select(known => known.Name))}; and before them profile, seed, delivery, scalable, without, witness, vm, device.");
        if (_steps.Count == WorldProgram.StepsMax)
            Fail($"A program has {WorldProgram.StepsMax} steps at most.");
        _names ??= Described().Names;
        int count = words.Length - 1;
        if (count < verb.Parameters.Length || (count > verb.Parameters.Length && !verb.IsRepeated))
            Fail($"Expected: {verb.Form}.");
        Argument[] arguments = new Argument[count];
        for (int index = 0; index < count; index++)
        {
            if (!verb.ParameterOf(index).TryParse(words[index + 1], _names, out arguments[index]))
                Fail($"'{words[index + 1]}' is no {verb.ParameterOf(index).Word}. Expected: {verb.Form}.");
        }

        _steps.Add(new(verb, arguments));
    }

    private bool TakeHeader(string[] words)
    {
        switch (words[0])
        {
            case "profile":
                Expect(words, "profile NAME", 2);
                if (!HardwareProfile.Names.Contains(words[1]))
                    Fail($"No profile is called '{words[1]}'. There are: {string.Join(", ", HardwareProfile.Names)}.");
                _program = _program with { Profile = words[1] };
                return true;
            case "seed":
                Expect(words, "seed NUMBER", 2);
                if (!ProgramText.TryNumber(words[1], out ulong seed))
                    Fail($"'{words[1]}' is no number.");
                _program = _program with { Seed = seed };
                return true;
            case "delivery":
                Expect(words, "delivery emulated|remapped|posted", 2);
                _program = _program with { Delivery = Chosen(_deliveries, words[1]) };
                return true;
            case "scalable":
                Expect(words, "scalable", 1);
                _program = _program with { Scalable = true };
                return true;
            case ProgramNames.Witness:
                Expect(words, ProgramNames.Witness, 1);
                _program = _program with { HasWitness = true };
                return true;
            case "without":
                Expect(words, "without PROTECTION", 2);
                _without.Add(Protection.Find(words[1]) ?? Fail<Protection>($"'{words[1]}' is no protection. There are: {Protection.Names}."));
                return true;
            case "vm":
                TakeGuest(words);
                return true;
            case "device":
                TakeDevice(words);
                return true;
            default:
                return false;
        }
    }

    private void TakeGuest(string[] words)
    {
        const string form = "vm NAME PAGES [lazy FRAMES] [POLICY|iommu]";
        bool isLazy = words.Length >= 5 && words[3] == "lazy";
        string[] policy = words.Length < 3 ? words : isLazy ? words[5..] : words[3..];
        if (words.Length < 3 || policy.Length > 1)
            Fail($"Expected: {form}.");
        CheckName(words[1], _guests.Select(guest => guest.Name));
        if (!ProgramText.TryNumber(words[2], out ulong pages) || pages is 0 or > WorldProgram.PagesMax)
            Fail($"'{words[2]}' is no number of pages from 1 to {WorldProgram.PagesMax}.");
        if (_guests.Count == WorldProgram.GuestsMax - 1)
            Fail($"A program has {WorldProgram.GuestsMax - 1} VMs at most, beside the witness.");
        ulong frames = 0;
        if (isLazy && (!ProgramText.TryNumber(words[4], out frames) || frames < LazyMemory.FramesMin || frames > pages))
            Fail($"'{words[4]}' is no number of frames from {LazyMemory.FramesMin} to the number of pages.");
        bool hasIommu = policy is ["iommu"];
        if (hasIommu && (isLazy || pages < GuestIommu.PagesMin))
            Fail($"A VM with a remapping unit of its own has {GuestIommu.PagesMin} pages at least, and they are there from the beginning.");
        _guests.Add(new(words[1], (int)pages, (int)frames, policy.Length == 0 || hasIommu ? MappingPolicy.Strict : Chosen(_policies, policy[0]), hasIommu));
    }

    private void TakeDevice(string[] words)
    {
        bool isBeside = words.Length == 5 && words[3] == "beside";
        Expect(isBeside ? words[..3] : words, $"device NAME {string.Join('|', _kinds.Keys)} [beside PROBE]", 3);
        CheckName(words[1], _devices.Select(device => device.Name));
        if (_devices.Count == WorldProgram.DevicesMax - 1)
            Fail($"A program has {WorldProgram.DevicesMax - 1} devices at most, beside the witness's.");
        WorldDeviceKind kind = Chosen(_kinds, words[2]);
        if (isBeside && (kind != WorldDeviceKind.Probe || !_devices.Any(device => device is { Kind: WorldDeviceKind.Probe, Beside: null } && device.Name == words[4])))
            Fail($"A probe is one more function beside a probe that is a device: '{words[4]}' is no such one.");
        _devices.Add(new(words[1], kind, isBeside ? words[4] : null));
    }

    private void CheckName(string name, IEnumerable<string> taken)
    {
        if (name == ProgramNames.Witness || name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter != '-') || ProgramText.TryNumber(name, out _))
            Fail($"'{name}' is no name: letters, digits and '-', not a number, and not '{ProgramNames.Witness}'.");
        if (taken.Contains(name))
            Fail($"'{name}' is there already.");
    }

    private T Chosen<T>(Dictionary<string, T> words, string word) =>
        words.TryGetValue(word, out T? value) ? value : Fail<T>($"'{word}' is none of: {string.Join(", ", words.Keys)}.");

    private void Expect(string[] words, string form, int count)
    {
        if (words.Length != count)
            Fail($"Expected: {form}.");
    }

    [DoesNotReturn]
    private void Fail(string problem) => _ = Fail<bool>(problem);

    [DoesNotReturn]
    private T Fail<T>(string problem) => throw new WorldProgramException(_line == 0 ? problem : $"Line {_line}: {problem}");
}
