using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>The policies of a shared bus that a person can choose by name.</summary>
internal static class SharingPolicies
{
    private static readonly (string Name, SharingPolicy Policy)[] s_policies =
    [
        ("deficit", SharingPolicy.DeficitRoundRobin),
        ("weighted", SharingPolicy.Weighted),
        ("transaction", SharingPolicy.RoundRobinByTransaction),
        ("pass", SharingPolicy.RoundRobinByPass),
        ("sequential", SharingPolicy.Sequential),
    ];

    /// <summary>Their names; the first is the usual one.</summary>
    public static string[] Names { get; } = [.. s_policies.Select(static named => named.Name)];

    /// <summary>The name of a policy.</summary>
    public static string NameOf(SharingPolicy policy) => s_policies.First(named => named.Policy == policy).Name;

    /// <summary>The policy with a name.</summary>
    public static SharingPolicy Named(string name) => s_policies.First(named => named.Name == name).Policy;
}
