using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What an audit writes down on its way.</summary>
internal sealed class AuditLog(AuditLimits limits)
{
    private readonly HashSet<(AuditStructure Structure, int Level, ulong Entry, FaultReason Reason)> _known = [];
    private readonly List<AuditFinding> _violations = [];
    private readonly List<AuditFinding> _notices = [];
    private readonly SortedSet<string> _incomplete = new(StringComparer.Ordinal);
    private long _pagesLeft = limits.TablePagesMax;

    public AuditLimits Limits => limits;

    public List<AuditFault> Faults { get; } = [];

    public SortedDictionary<FaultReason, long> FaultCounts { get; } = [];

    public long ViolationCount { get; private set; }

    public long NoticeCount { get; private set; }

    public IReadOnlyList<AuditFinding> Findings => [.. _violations, .. _notices];

    public IReadOnlyList<string> Incomplete => [.. _incomplete];

    /// <summary>Writes down a broken entry, once.</summary>
    public void AddFault(in AuditFault fault)
    {
        bool room = Faults.Count < limits.FaultsListedMax;
        if (room && !_known.Add((fault.Structure, fault.Level, fault.Entry.Value, fault.Reason)))
            return;
        FaultCounts[fault.Reason] = FaultCounts.GetValueOrDefault(fault.Reason) + 1;
        if (room)
            Faults.Add(fault);
    }

    public void AddFinding(AuditFinding finding)
    {
        (List<AuditFinding> list, long count) = finding.IsViolation ? (_violations, ++ViolationCount) : (_notices, ++NoticeCount);
        if (count <= limits.FindingsListedMax)
            list.Add(finding);
    }

    /// <summary>Says that something was not looked at.</summary>
    public void Incompletely(string why) => _incomplete.Add(why);

    /// <summary>Pays for a page of tables; <c>false</c>, and said so, where the audit has read enough.</summary>
    public bool TakePage()
    {
        if (--_pagesLeft >= 0)
            return true;
        Incompletely($"Reading stopped after {limits.TablePagesMax} pages of tables.");
        return false;
    }
}
