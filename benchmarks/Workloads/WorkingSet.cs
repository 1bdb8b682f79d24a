namespace Dma.Workloads;

/// <summary>The pages that a stream of accesses touches, all of one size.</summary>
/// <param name="Pages">How many.</param>
/// <param name="PageShift">12 for 4 KiB pages, 21 for 2 MiB pages.</param>
public sealed record WorkingSet(int Pages, int PageShift)
{
    /// <summary>16, 64, 4096 and 1M pages of 4 KiB, and 64 pages of 2 MiB.</summary>
    public static IReadOnlyList<WorkingSet> All { get; } =
        [new(16, 12), new(64, 12), new(4096, 12), new(1 << 20, 12), new(64, 21)];

    /// <summary>How it is called in results.</summary>
    public override string ToString() => (Pages >= 1 << 20 ? $"{Pages >> 20}M" : $"{Pages}") + (PageShift == 12 ? " x 4K" : " x 2M");
}
