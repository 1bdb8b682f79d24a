using Dma.Drivers;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>The same guest work under each policy by which a device gets memory and loses it, each in a host of its own.</summary>
/// <param name="options">What decides it.</param>
public sealed class PolicyComparison(PolicyComparisonOptions options)
{
    /// <summary>Runs it.</summary>
    /// <param name="progress">Told how many policies are done; null for nobody.</param>
    /// <exception cref="InvalidOperationException">Something speaks against the options (<see cref="PolicyComparisonOptions.FindProblem"/>).</exception>
    /// <exception cref="DriverException">The guest's drivers could not do the work.</exception>
    public PolicyReport Run(Action<int>? progress = null)
    {
        if (options.FindProblem() is { Length: > 0 } problem)
            throw new InvalidOperationException(problem);
        List<PolicyLine> lines = [];
        foreach (MappingPolicy policy in options.Policies)
        {
            lines.Add(new PolicyRun(options, policy).Run());
            progress?.Invoke(lines.Count);
        }

        return new(
            lines,
            options.Work,
            options.Transfers,
            options.TransferBytes,
            options.Buffers,
            options.WaitingMax,
            options.WaitingNsMax,
            options.PoolBytes,
            options.Controller,
            options.Profile.Name,
            options.Seed);
    }
}
