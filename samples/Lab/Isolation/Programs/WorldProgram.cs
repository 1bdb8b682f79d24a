using System.Text;
using Dma.Hal;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A VM of a world program.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Pages">Pages of memory of 4 KiB.</param>
/// <param name="LazyFrames">How many of them have a frame at a time, which they get when they are touched; 0 for all, from the beginning.</param>
/// <param name="Policy">When its devices get its memory and lose it again.</param>
/// <param name="HasIommu">Whether it has a remapping unit of its own, so that its tables say that, and no policy.</param>
internal sealed record WorldGuestSpec(string Name, int Pages, int LazyFrames = 0, MappingPolicy Policy = MappingPolicy.Strict, bool HasIommu = false);

/// <summary>A device of a world program.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Beside">The probe of whose device it is one more function, so that nothing checks which of them sends; null for a device of its own.</param>
internal sealed record WorldDeviceSpec(string Name, WorldDeviceKind Kind, string? Beside = null);

/// <summary>A whole world: a computer, its VMs and devices, and what all of them do, one step after the other.</summary>
internal sealed record WorldProgram
{
    /// <summary>The most VMs, the witness included.</summary>
    public const int GuestsMax = 8;

    /// <summary>The most devices, the witness's included.</summary>
    public const int DevicesMax = 12;

    /// <summary>The most pages of one VM.</summary>
    public const int PagesMax = 64;

    /// <summary>The most steps.</summary>
    public const int StepsMax = 10_000;

    /// <summary>The name of the remapping unit.</summary>
    public string Profile { get; init; } = "friendly";

    /// <summary>What the contents of memory come from.</summary>
    public ulong Seed { get; init; }

    /// <summary>How interrupts get into the VMs.</summary>
    public InterruptDelivery Delivery { get; init; } = InterruptDelivery.Remapped;

    /// <summary>Whether the unit runs in scalable mode.</summary>
    public bool Scalable { get; init; }

    /// <summary>Protections that are taken away.</summary>
    public IReadOnlyList<Protection> Without { get; init; } = [];

    /// <summary>Whether a well-behaved VM with a device of its own is there, whose work nothing may disturb.</summary>
    public bool HasWitness { get; init; }

    /// <summary>The VMs, without the witness.</summary>
    public IReadOnlyList<WorldGuestSpec> Guests { get; init; } = [];

    /// <summary>The devices, without the witness's.</summary>
    public IReadOnlyList<WorldDeviceSpec> Devices { get; init; } = [];

    /// <summary>What is done.</summary>
    public IReadOnlyList<WorldStep> Steps { get; init; } = [];

    /// <summary>The names in it.</summary>
    public ProgramNames Names => new(
        [.. Guests.Select(guest => guest.Name), .. Witness], [.. Devices.Select(device => device.Name), .. Witness], HasWitness);

    private IEnumerable<string> Witness => HasWitness ? [ProgramNames.Witness] : [];

    /// <summary>The program as text, as it is read again.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        ProgramNames names = Names;
        Line($"profile {Profile}");
        Line($"seed {Seed}");
        Line($"delivery {WorldProgramReader.WordOf(Delivery)}");
        if (Scalable)
            Line("scalable");
        foreach (Protection protection in Without)
            Line($"without {protection.Name}");
        if (HasWitness)
            Line(ProgramNames.Witness);
        foreach (WorldGuestSpec guest in Guests)
            Line($"vm {guest.Name} {guest.Pages}" + (guest.LazyFrames == 0 ? "" : $" lazy {guest.LazyFrames}") + (guest.Policy == MappingPolicy.Strict ? "" : $" {WorldProgramReader.WordOf(guest.Policy)}") + (guest.HasIommu ? " iommu" : ""));
        foreach (WorldDeviceSpec device in Devices)
            Line($"device {device.Name} {WorldProgramReader.WordOf(device.Kind)}" + (device.Beside is { } other ? $" beside {other}" : ""));
        text.Append('\n');
        foreach (WorldStep step in Steps)
            Line(step.Format(names));
        return text.ToString();

        void Line(string line) => text.Append(line).Append('\n');
    }
}
