using Dma.Hal;

namespace Dma.Lab;

/// <summary>What policies are called on a command line and in reports.</summary>
internal static class PolicyNames
{
    /// <summary>The names, in the order of <see cref="MappingPolicy"/>.</summary>
    public static IReadOnlyList<string> All { get; } = [.. Enum.GetValues<MappingPolicy>().Select(Of)];

    /// <summary>The name of a policy.</summary>
    public static string Of(MappingPolicy policy) => $"{policy}".ToLowerInvariant();

    /// <summary>The policy of a name, one of <see cref="All"/>.</summary>
    public static MappingPolicy Named(string name) => Enum.Parse<MappingPolicy>(name, ignoreCase: true);
}
