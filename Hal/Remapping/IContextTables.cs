using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The tables that say which requester belongs to which domain: those of legacy mode, or those of scalable mode.</summary>
/// <remarks>They write entries; what must be invalidated afterwards is up to the caller.</remarks>
internal interface IContextTables
{
    /// <summary>The root table, and the mode in which the unit shall read it.</summary>
    RootTableAddress Root { get; }

    /// <summary>Puts an entry in place of one that is not present.</summary>
    /// <param name="source">Whose entry.</param>
    /// <param name="entry">What it shall say.</param>
    /// <param name="isNewBus">Whether a root entry became present too.</param>
    /// <returns><c>false</c>, and nothing changed, when no frame is left.</returns>
    bool TrySet(SourceId source, RequesterEntry entry, out bool isNewBus);

    /// <summary>Makes an entry not present.</summary>
    void Clear(SourceId source);

    /// <summary>The unit has forgotten an entry that is not present: what it led to can be given back.</summary>
    void Release(SourceId source);

    /// <summary>Gives all tables back; the unit must not use them any more.</summary>
    void Free();
}
