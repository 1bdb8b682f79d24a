namespace Dma.Workloads;

/// <summary>Mapping and unmapping among many live entries, beside the same among few: whether the cost grows.</summary>
/// <param name="few">Live entries of the baseline's domain.</param>
/// <param name="many">Live entries of the other one.</param>
public sealed class MapGrowthWorkload(int few, int many) : Workload
{
    private readonly MapWorkload _few = new(few);
    private readonly MapWorkload _many = new(many);

    /// <inheritdoc/>
    public override ulong Baseline() => _few.Simulator();

    /// <inheritdoc/>
    public override ulong Simulator() => _many.Simulator();

    /// <inheritdoc/>
    public override string? FindDifference() => _few.FindDifference() ?? _many.FindDifference();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _few.Dispose();
        _many.Dispose();
    }
}
