using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Watches a walk: every entry that it reads, and every check in the order in which hardware makes it.</summary>
/// <remarks>A type parameter of the walk, so that a walk that nobody watches carries no trace of it.</remarks>
public interface IWalkObserver
{
    /// <summary>Whether there is anybody to tell; a constant of the type.</summary>
    static abstract bool Observes { get; }

    /// <summary>An entry is about to be looked at. Later checks are about it, until the next one.</summary>
    /// <param name="structure">What kind of entry.</param>
    /// <param name="level">The level of a paging entry, 1 at the leaves; 0 elsewhere.</param>
    /// <param name="address">Where it is.</param>
    /// <param name="raw">Its bits, zero above its width and where it could not be read.</param>
    void Entry(WalkStructure structure, int level, PhysicalAddress address, in Bits512 raw);

    /// <summary>Something was checked.</summary>
    /// <param name="kind">What.</param>
    /// <param name="mask">The bits that matter: reserved bits, the permission wanted, the highest address; 0 where there are none.</param>
    /// <param name="passed">Whether all is well.</param>
    void Check(WalkCheckKind kind, ulong mask, bool passed);
}
