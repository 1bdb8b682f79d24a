using System.Text.Json.Serialization;

namespace Dma.Workloads;

/// <summary>One line of the result: the simulator beside its baseline.</summary>
/// <param name="Name">What was done.</param>
/// <param name="WorkingSet">On how much.</param>
/// <param name="Ns">Time of one operation in the simulator, in nanoseconds; the median of the rounds.</param>
/// <param name="BaselineNs">Time of one operation of the baseline, likewise.</param>
/// <param name="Ratio">The median of the rounds' own ratios, simulator to baseline; below 1 where the simulator is faster.</param>
/// <param name="AllocatedBytes">Managed memory that one operation of the simulator allocates, in bytes.</param>
public sealed record Measurement(string Name, string WorkingSet, double Ns, double BaselineNs, double Ratio, double AllocatedBytes)
{
    /// <summary>The highest ratio that is good; <c>null</c> where no limit is set.</summary>
    [JsonIgnore]
    public double? RatioMax { get; init; }

    /// <summary>How often a guest was left for one operation; the times of such a line are virtual ones. <c>null</c> elsewhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Exits { get; init; }

    /// <summary>How often a processor took posted interrupts in, for one operation; <c>null</c> where exits are.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Notifications { get; init; }
}
