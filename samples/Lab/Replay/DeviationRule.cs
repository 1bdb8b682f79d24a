using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>One rule of the data: where the recorder leaves the manual, how that shows, and why we do not follow.</summary>
/// <remarks>
/// A rule says what was recorded and what our unit answers instead, exactly; it never says that an answer does not
/// matter. The same rule serves every case in which its conditions hold.
/// </remarks>
internal sealed record DeviationRule
{
    /// <summary>Its name, which the row in docs/deviations.md repeats.</summary>
    public required string Id { get; init; }

    /// <summary>Why the two differ.</summary>
    public required string Reason { get; init; }

    /// <summary>Where the manual says what ours does, by the sections of the reference sheet.</summary>
    public required string Section { get; init; }

    /// <summary>The conditions under which it holds; all of them must.</summary>
    public IReadOnlyList<string> When { get; init => field = value ?? []; } = [];

    /// <summary>What a DMA came to on the recorder, and on ours: "ok", "dropped", "blocked 5B", "suppressed 5B".</summary>
    public IReadOnlyDictionary<string, string> Outcomes { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();

    /// <summary>Fields of registers that read differently.</summary>
    public IReadOnlyList<RegisterFieldRule> Registers { get; init => field = value ?? []; } = [];

    /// <summary>How the recorder's invalidation queue leaves the manual.</summary>
    public QueueBehaviour Queue { get; init; }

    /// <summary>The recorder used what it had cached where ours did not, or the reverse, and both may.</summary>
    public bool Stale { get; init; }

    /// <summary>The recorder takes a pending fault event back only when the status is written.</summary>
    public bool Withdrawal { get; init; }

    /// <summary>The recorder did not know who wrote into the interrupt range, and told nobody that it refused.</summary>
    public bool Anonymous { get; init; }

    /// <summary>The recorder saw eight bits of the destination of an interrupt.</summary>
    public bool Destination { get; init; }

    /// <summary>The recorder did not mark a page as written to.</summary>
    public bool Dirty { get; init; }
}

/// <summary>A field of a register that reads differently.</summary>
internal sealed record RegisterFieldRule
{
    /// <summary>The register.</summary>
    public required string Register { get; init; }

    /// <summary>The highest bit.</summary>
    public required int High { get; init; }

    /// <summary>The lowest bit.</summary>
    public required int Low { get; init; }

    /// <summary>What was recorded: a number in hexadecimal, or "written" for what software last wrote there.</summary>
    public required string Recorded { get; init; }

    /// <summary>What ours gives: a number in hexadecimal, or "written".</summary>
    public required string Ours { get; init; }
}

/// <summary>The data with the rules, part of the program.</summary>
internal sealed record DeviationRules
{
    /// <summary>The rules.</summary>
    public required IReadOnlyList<DeviationRule> Rules { get; init; }

    /// <summary>The rules that the program comes with.</summary>
    public static DeviationRules Load()
    {
        using Stream data = typeof(DeviationRules).Assembly.GetManifestResourceStream("deviations.json")
            ?? throw new InvalidOperationException("The rules are not in the program.");
        DeviationRules rules = JsonSerializer.Deserialize(data, DeviationJson.Default.DeviationRules)
            ?? throw new InvalidOperationException("There are no rules in the data.");
        foreach (string unknown in rules.Rules.SelectMany(rule => rule.When).Where(condition => !RuleConditions.Knows(condition)))
            throw new InvalidOperationException($"A rule has the condition '{unknown}', which nobody knows.");
        return rules;
    }

    /// <summary>All ways in which the recorder's queue leaves the manual.</summary>
    public QueueBehaviour Queue => Rules.Aggregate(QueueBehaviour.None, (all, rule) => all | rule.Queue);
}

/// <summary>How rules are read.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(DeviationRules))]
internal sealed partial class DeviationJson : JsonSerializerContext;
