namespace Dma.Workloads;

/// <summary>A piece of work that the simulator and a baseline written for the purpose both do.</summary>
/// <remarks>Work comes in batches, so that neither a clock nor a virtual call is part of an operation.</remarks>
public abstract class Workload : IDisposable
{
    /// <summary>How many operations a batch has.</summary>
    public const int OperationsPerBatch = 256;

    /// <summary>One batch by the baseline.</summary>
    /// <returns>A sum over all answers, so that none of them is left out.</returns>
    public abstract ulong Baseline();

    /// <summary>One batch by the simulator.</summary>
    /// <returns>A sum over all answers, so that none of them is left out.</returns>
    public abstract ulong Simulator();

    /// <summary>Compares the answers of both sides, one by one and on all there is.</summary>
    /// <returns>The first one in which they differ; <c>null</c> where they agree.</returns>
    public abstract string? FindDifference();

    /// <summary>Gives its memory back.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>What to say of one answer.</summary>
    /// <returns><c>null</c> where both sides agree.</returns>
    protected static string? Compare(ulong question, ulong baseline, ulong simulator) =>
        baseline == simulator ? null : $"For {question:X}h the baseline says {baseline:X}h, the simulator {simulator:X}h.";

    /// <inheritdoc cref="Dispose()"/>
    protected abstract void Dispose(bool disposing);
}
