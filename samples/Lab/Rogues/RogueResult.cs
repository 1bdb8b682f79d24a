using Dma.Machine;

namespace Dma.Lab;

/// <summary>What a rogue device reached, and what was recorded of it.</summary>
/// <param name="Habit">What it does, after "it".</param>
/// <param name="Protection">What stands against it.</param>
/// <param name="IsOn">Whether that was on.</param>
/// <param name="Status">What the bus said.</param>
/// <param name="BytesChanged">Bytes that changed in memory that is not the device's own.</param>
/// <param name="BytesRead">Bytes other than zero that came in from where it may not read.</param>
/// <param name="NeighbourInterrupts">Interrupts that the neighbour's guest got without its device.</param>
/// <param name="Exits">Exits of the guest that owns the device.</param>
/// <param name="PagesAsked">Page requests that the host had to look at.</param>
/// <param name="Records">What the unit and the port recorded.</param>
public sealed record RogueResult(
    string Habit,
    string Protection,
    bool IsOn,
    DmaStatus Status,
    ulong BytesChanged,
    ulong BytesRead,
    ulong NeighbourInterrupts,
    ulong Exits,
    ulong PagesAsked,
    IReadOnlyList<string> Records)
{
    /// <summary>Whether nobody but the device's own guest noticed anything.</summary>
    public bool IsContained => (BytesChanged | BytesRead | NeighbourInterrupts | Exits | PagesAsked) == 0;

    /// <summary>What it reached, in words.</summary>
    public string Reached
    {
        get
        {
            (ulong Count, string One, string Many)[] all =
            [
                (BytesChanged, "byte changed", "bytes changed"),
                (BytesRead, "byte read", "bytes read"),
                (NeighbourInterrupts, "interrupt of the neighbour", "interrupts of the neighbour"),
                (Exits, "exit", "exits"),
                (PagesAsked, "request for the host", "requests for the host"),
            ];
            return IsContained
                ? "nothing"
                : string.Join(", ", all.Where(part => part.Count != 0).Select(part => $"{part.Count} {(part.Count == 1 ? part.One : part.Many)}"));
        }
    }
}
