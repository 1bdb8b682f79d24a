namespace Dma.Vmm;

/// <summary>One round of copying.</summary>
/// <param name="Kind">When it was.</param>
/// <param name="Pages">Pages that were copied.</param>
/// <param name="ZeroPages">How many of them were zeros, of which only that is sent.</param>
/// <param name="Bytes">Bytes that the link carried.</param>
/// <param name="TimeNs">How long it took, in nanoseconds of virtual time.</param>
public readonly record struct MigrationRound(MigrationRoundKind Kind, int Pages, int ZeroPages, ulong Bytes, ulong TimeNs);

/// <summary>When a round of copying is.</summary>
public enum MigrationRoundKind
{
    /// <summary>Never copied.</summary>
    None = 0,

    /// <summary>The guest runs, and its devices work.</summary>
    Running,

    /// <summary>The guest runs; its devices are gone.</summary>
    WithoutDevices,

    /// <summary>The guest is stopped.</summary>
    Stopped,
}
