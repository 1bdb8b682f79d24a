namespace Dma.Iommu;

/// <summary>Bounds of an audit, so that no memory image can make it run or grow without end.</summary>
/// <remarks>Where one of the first three is reached the report says that it is incomplete; the others only shorten lists, and the counts beside them stay exact.</remarks>
public sealed record AuditLimits
{
    /// <summary>How often a table page is read, over all domains; 64 GiB of tables once.</summary>
    public long TablePagesMax { get; init; } = 1 << 24;

    /// <summary>How many PASID entries are looked at.</summary>
    public int PasidsMax { get; init; } = 1 << 20;

    /// <summary>How many 2 MiB blocks of which only a part is mapped are compared between domains.</summary>
    public int PartialBlocksMax { get; init; } = 1 << 20;

    /// <summary>How many runs are listed, over all domains.</summary>
    public int RunsListedMax { get; init; } = 1 << 20;

    /// <summary>How many broken entries are listed.</summary>
    public int FaultsListedMax { get; init; } = 10_000;

    /// <summary>How many findings are listed.</summary>
    public int FindingsListedMax { get; init; } = 10_000;
}
