namespace Dma.Properties;

/// <summary>A known difference between our unit and QEMU's.</summary>
/// <param name="Name">A few words, by which it is counted.</param>
/// <param name="Reason">Why we differ.</param>
/// <param name="Covers">Whether a difference is this one; as narrow as it can be.</param>
internal sealed record DifferenceRule(string Name, string Reason, Func<Difference, bool> Covers)
{
    /// <summary>Whether the program ends where it is met, because the machines go different ways from there on.</summary>
    public bool EndsProgram { get; init; }
}
