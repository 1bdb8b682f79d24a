using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What the tables in a memory image reach.</summary>
public sealed record AuditReport
{
    /// <summary>What was asked.</summary>
    public required AuditRequest Request { get; init; }

    /// <summary>The requesters whose context entries are present, by number.</summary>
    public required IReadOnlyList<AuditedFunction> Functions { get; init; }

    /// <summary>The address spaces, in the order in which requesters lead to them.</summary>
    public required IReadOnlyList<AuditedDomain> Domains { get; init; }

    /// <summary>The present interrupt entries, by index; null where no table was given.</summary>
    public IReadOnlyList<AuditedInterrupt>? Interrupts { get; init; }

    /// <summary>Broken entries, those above the paging tables first.</summary>
    public required IReadOnlyList<AuditFault> Faults { get; init; }

    /// <summary>How many broken entries there are of each kind, listed or not.</summary>
    public required IReadOnlyDictionary<FaultReason, long> FaultCounts { get; init; }

    /// <summary>What isolation suffers from, violations first.</summary>
    public required IReadOnlyList<AuditFinding> Findings { get; init; }

    /// <summary>How many findings there are, listed or not.</summary>
    public required long FindingCount { get; init; }

    /// <summary>How many of them break isolation by themselves.</summary>
    public required long ViolationCount { get; init; }

    /// <summary>How many different pages hold tables.</summary>
    public required int TablePages { get; init; }

    /// <summary>Why the report does not cover everything; empty where it does.</summary>
    public required IReadOnlyList<string> Incomplete { get; init; }

    /// <summary>Whether nothing was found that breaks isolation, and everything was looked at. Where no requester has an entry, nothing was.</summary>
    public bool IsIsolated => Functions.Count != 0 && Incomplete.Count == 0 && ViolationCount == 0;
}
