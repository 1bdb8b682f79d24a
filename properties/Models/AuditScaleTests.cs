using System.Diagnostics;
using System.Globalization;
using Dma.Iommu;
using Dma.Workloads;

namespace Dma.Properties;

/// <summary>Audits of much memory: everything is counted, in bounded time and memory.</summary>
public sealed class AuditScaleTests
{
    private const string Switch = "DMA_AUDIT_MIB";

    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    public void Every_page_of_large_tables_is_counted_and_no_frame_is_taken_for_shared(int pagesOfPiece)
    {
        using AuditedMemory memory = new(2 << 20, pagesOfPiece);
        AuditReport report = TableAudit.Run(memory.Memory, new() { Root = AuditedMemory.Root });
        Assert.Equal(memory.Pages, report.Domains.Aggregate(0ul, (sum, domain) => sum + domain.Pages4K));
        Assert.Equal((2ul << 20) / 8, memory.Pages);
        Assert.Equal((int)memory.Pieces, report.Domains.Sum(domain => domain.Runs.Count));
        Assert.True(report.IsIsolated);
        Assert.Empty(report.Findings);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    public void A_gibibyte_of_tables_takes_less_than_ten_seconds(int pagesOfPiece)
    {
        Assert.SkipUnless(
            ulong.TryParse(Environment.GetEnvironmentVariable(Switch), CultureInfo.InvariantCulture, out ulong mebibytes),
            $"{Switch}=1024 audits as many MiB of tables, and needs that much memory.");
        using AuditedMemory memory = new(mebibytes << 20, pagesOfPiece);
        long start = Stopwatch.GetTimestamp();
        AuditReport report = TableAudit.Run(memory.Memory, new() { Root = AuditedMemory.Root });
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        TestContext.Current.SendDiagnosticMessage($"{mebibytes} MiB of tables, {pagesOfPiece} pages to a piece, in {seconds:F1} s, at most {Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB");
        Assert.Equal(memory.Pages, report.Domains.Aggregate(0ul, (sum, domain) => sum + domain.Pages4K));
        Assert.True(report.IsIsolated);
        Assert.True(seconds < 10.0 * Math.Max(1, mebibytes / 1024.0), $"{seconds:F1} s");
    }
}
