using Dma.Machine;

namespace Dma.Hal;

/// <summary>How the entries of a domain's tables are written: the two stages differ in nothing else.</summary>
/// <param name="leafLevelMax">The highest level at which an entry can be a page.</param>
internal abstract class PageFormat(int leafLevelMax)
{
    /// <summary>The highest level at which an entry can be a page.</summary>
    public int LeafLevelMax => leafLevelMax;

    /// <summary>The format of a stage of a unit.</summary>
    public static PageFormat Of(TranslationStage stage, UnitCapabilities unit) =>
        stage == TranslationStage.Second ? new SecondStageFormat(unit) : new FirstStageFormat(unit);

    /// <summary>Whether an entry leads anywhere.</summary>
    public abstract bool IsPresent(ulong entry);

    /// <summary>Whether a present entry is a page.</summary>
    public abstract bool IsLeaf(ulong entry, int level);

    /// <summary>The table or the page that a present entry leads to.</summary>
    public abstract PhysicalAddress TargetOf(ulong entry);

    /// <summary>An entry that leads to a table.</summary>
    public abstract ulong PointerTo(GuestPhysicalAddress table);

    /// <summary>An entry that leads to a page.</summary>
    public abstract ulong LeafAt(ulong target, int level, DmaDirection direction);

    /// <summary>An entry that leads to a part of a page, with all else as the page has it.</summary>
    /// <param name="leaf">The entry of the page.</param>
    /// <param name="target">The part.</param>
    /// <param name="level">The level of the new entry.</param>
    public abstract ulong PartOf(ulong leaf, ulong target, int level);

    /// <summary>What devices may do with a page.</summary>
    public abstract DmaDirection DirectionOf(ulong leaf);

    /// <summary>Whether a unit marked the page as written.</summary>
    public abstract bool IsDirty(ulong leaf);

    /// <summary>The same entry without that mark.</summary>
    public abstract ulong Cleaned(ulong leaf);
}
