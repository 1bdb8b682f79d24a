namespace Dma.Workloads;

/// <summary>When the devices of a guest raise their interrupts.</summary>
/// <param name="Name">What it is called in results.</param>
/// <param name="Devices">How many devices there are, each with a vector of its own.</param>
/// <param name="Rounds">How often each raises its interrupt.</param>
/// <param name="GapNs">Virtual time from one moment to the next, in nanoseconds.</param>
/// <param name="AtOnce">How many devices raise theirs at one moment: 1, or all.</param>
public sealed record DeliveryLoad(string Name, int Devices, int Rounds, ulong GapNs, int AtOnce)
{
    /// <summary>One after another, and all at once.</summary>
    public static IReadOnlyList<DeliveryLoad> All { get; } =
    [
        new("spread, 8 x 100", Devices: 8, Rounds: 100, GapNs: 20_000, AtOnce: 1),
        new("bursts, 8 x 100", Devices: 8, Rounds: 100, GapNs: 160_000, AtOnce: 8),
    ];

    /// <summary>How many interrupts that makes.</summary>
    public int Interrupts => Devices * Rounds;
}
