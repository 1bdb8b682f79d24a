using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>What was measured of a VM, and what it said itself.</summary>
internal sealed class StatisticsRow
{
    public ulong Exits { get; set; }

    public ulong Hypercalls { get; set; }

    public ulong RunTimeNs { get; set; }

    public ulong MeasuredAtNs { get; set; }

    public ManagementDemand Demand { get; set; }

    /// <summary>When it reported; null for never.</summary>
    public ulong? ReportedAtNs { get; set; }

    /// <summary>How long it had run when it reported.</summary>
    public ulong RunTimeAtReportNs { get; set; }
}
