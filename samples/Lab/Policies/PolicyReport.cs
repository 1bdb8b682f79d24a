using System.Text.Json.Serialization;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>The same work under each policy, and whether the policies kept what they promise.</summary>
/// <param name="Policies">A line for each policy.</param>
/// <param name="Work">In which direction data went.</param>
/// <param name="Transfers">How many transfers there were.</param>
/// <param name="TransferBytes">Bytes of one.</param>
/// <param name="Buffers">How many buffers were used in turns.</param>
/// <param name="WaitingMax">How many unmaps may wait, or mappings be kept.</param>
/// <param name="WaitingNsMax">How long they may, in nanoseconds.</param>
/// <param name="PoolBytes">Bytes of the pool.</param>
/// <param name="Controller">The controller, by its name.</param>
/// <param name="Profile">The name of the remapping hardware.</param>
/// <param name="Seed">The seed.</param>
public sealed record PolicyReport(
    IReadOnlyList<PolicyLine> Policies,
    PolicyWorkKind Work,
    int Transfers,
    int TransferBytes,
    int Buffers,
    int WaitingMax,
    ulong WaitingNsMax,
    int PoolBytes,
    string Controller,
    string Profile,
    ulong Seed)
{
    // At the end of a bound come the invalidation, and the hypercalls before it for what was unmapped or kept just before.
    private const ulong InvalidationNsMax = 50_000;

    /// <summary>Whether the data were whole and the same under all policies that ran.</summary>
    public bool IsDataEqual => Ran.All(line => line.Figures!.IsWhole) && Ran.Select(line => line.Figures!.Sha256).Distinct().Count() <= 1;

    /// <summary>The policies that did not keep what they promise; none, unless something is broken.</summary>
    public IReadOnlyList<string> BrokenPromises => [.. Ran.Where(line => !Keeps(line)).Select(line => line.Policy)];

    private IEnumerable<PolicyLine> Ran => Policies.Where(line => line.Figures is not null);

    // docs/hal-policies.md: how long a device gets through after an unmap, and how far it reaches.
    private bool Keeps(PolicyLine line)
    {
        PolicyAttack attack = line.Figures!.Attack;
        return PolicyNames.Named(line.Policy) switch
        {
            MappingPolicy.Strict => attack.WindowNs == 0 && line.Figures.Reach == PolicyReach.Mapped,
            MappingPolicy.Deferred or MappingPolicy.Optimistic =>
                attack.WindowNs <= WaitingNsMax + InvalidationNsMax + attack.StepNs && line.Figures.Reach == PolicyReach.Mapped,
            MappingPolicy.Bounce => attack.BufferHits == 0 && line.Figures.Reach == PolicyReach.Mapped,
            MappingPolicy.Static => line.Figures.Reach <= PolicyReach.Machine,
            _ => true,
        };
    }
}

/// <summary>One policy.</summary>
/// <param name="Policy">Its name.</param>
/// <param name="Refusal">Why the host gave the VM no device under it; null where it did.</param>
/// <param name="Figures">What the work came to; null where there was none.</param>
public sealed record PolicyLine(string Policy, string? Refusal, PolicyFigures? Figures);

/// <summary>How the report becomes JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(PolicyReport))]
public sealed partial class PolicyJson : JsonSerializerContext;
