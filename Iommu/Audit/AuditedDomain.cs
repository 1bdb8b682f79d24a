using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>An address space: tables, and what they map.</summary>
/// <param name="tables">The tables.</param>
public sealed class AuditedDomain(AuditedTables tables)
{
    private readonly List<MappedRun> _runs = [];
    private readonly SortedSet<ushort> _ids = [];

    /// <summary>The tables.</summary>
    public AuditedTables Tables => tables;

    /// <summary>The domain-ids under which entries lead here.</summary>
    public IEnumerable<DomainId> Ids => _ids.Select(id => new DomainId(id));

    /// <summary>How many 4 KiB pages are mapped.</summary>
    public ulong Pages4K { get; internal set; }

    /// <summary>How many 2 MiB pages are mapped.</summary>
    public ulong Pages2M { get; internal set; }

    /// <summary>How many 1 GiB pages are mapped.</summary>
    public ulong Pages1G { get; internal set; }

    /// <summary>How many pages are mapped.</summary>
    public ulong Pages => Pages4K + Pages2M + Pages1G;

    /// <summary>What is mapped, by address.</summary>
    public IReadOnlyList<MappedRun> Runs => _runs;

    /// <summary>Whether there are more runs than are listed.</summary>
    public bool RunsTruncated { get; internal set; }

    internal void Add(DomainId id) => _ids.Add(id.Value);

    internal void Add(MappedRun run) => _runs.Add(run);
}
