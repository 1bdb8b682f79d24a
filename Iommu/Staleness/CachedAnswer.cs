using System.Runtime.InteropServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Something that a cache holds, with the entries in memory that it was made of.</summary>
/// <remarks>
/// It is stale from the first write after which tables, walked from the root, say something else, until a write after
/// which they say the same again. Entries that the unit itself marks as accessed say the same.
/// </remarks>
internal sealed class CachedAnswer(CacheKind cache, DomainId? domain, Pasid? pasid, Func<bool> isHeld, Func<List<WalkStep>, bool> isStillSaid)
{
    /// <summary>Which cache.</summary>
    public CacheKind Cache => cache;

    /// <summary>The domain with which it is tagged; null where its entries name none.</summary>
    public DomainId? Domain => domain;

    /// <summary>The PASID with which it is tagged; null where it has no such tag.</summary>
    public Pasid? Pasid => pasid;

    /// <summary>The entries that it was made of, from the root on.</summary>
    public Link[] Links { get; private set; } = [];

    /// <summary>The write that made it stale; null while it is not.</summary>
    public TableWrite? Since { get; private set; }

    /// <summary>The write for which its use was reported.</summary>
    public TableWrite? ReportedFor { get; set; }

    /// <summary>Whether the cache still holds it.</summary>
    public bool IsHeld => isHeld();

    /// <summary>Compares it with what tables say now.</summary>
    /// <param name="change">Why it may differ: the write that was just done, or that made stale what it was made of.</param>
    public void Compare(TableWrite? change)
    {
        List<WalkStep> steps = [];
        if (isStillSaid(steps))
        {
            // The same answer may come another way: from here on that way counts.
            Since = null;
            Links = [.. steps.Select(Link.Of)];
            return;
        }

        if (Links.Length == 0)
            Links = [.. steps.Select(Link.Of)];
        Since ??= change;
    }

    /// <summary>One entry of a walk, as it was last seen.</summary>
    internal sealed class Link(WalkStructure structure, int level, PhysicalAddress address, Bits512 raw)
    {
        public WalkStructure Structure => structure;

        public int Level => level;

        public PhysicalAddress Address => address;

        public Bits512 Raw { get; set; } = raw;

        public int Bytes { get; } = TableWrite.WidthOf(structure) / 8;

        /// <summary>What the entry is now; zero where no memory answers.</summary>
        public Bits512 Read(PhysicalMemory memory)
        {
            Span<ulong> words = stackalloc ulong[8];
            words.Clear();
            _ = memory.TryRead(Address, MemoryMarshal.AsBytes(words[..(Bytes / 8)]));
            return MemoryMarshal.Read<Bits512>(MemoryMarshal.AsBytes(words));
        }

        public static Link Of(WalkStep step) => new(step.Structure, step.Level, step.Address, step.Raw);
    }
}
