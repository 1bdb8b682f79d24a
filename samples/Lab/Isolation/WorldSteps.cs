using System.Diagnostics.CodeAnalysis;

namespace Dma.Lab;

/// <summary>All kinds of steps, found by their names.</summary>
internal static class WorldSteps
{
    /// <summary>The kinds.</summary>
    public static IReadOnlyList<StepVerb> All { get; } =
        [.. AssignmentSteps.All, .. GuestSteps.All, .. HalSteps.All, .. IommuSteps.All, .. DeviceSteps.All, .. EhciSteps.All, .. XhciSteps.All];

    private static readonly Dictionary<string, StepVerb> _byName = All.ToDictionary(verb => verb.Name);

    /// <summary>A kind by its name.</summary>
    public static bool TryFind(string name, [NotNullWhen(true)] out StepVerb? verb) => _byName.TryGetValue(name, out verb);

    /// <summary>A step, as code writes one.</summary>
    public static WorldStep Make(string name, params IReadOnlyList<Argument> arguments) => new(_byName[name], arguments);
}
