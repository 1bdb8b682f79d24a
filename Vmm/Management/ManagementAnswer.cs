using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>What a service says to a request: how it ends, or that it waits. <c>default</c> was never issued.</summary>
internal readonly record struct ManagementAnswer
{
    /// <summary>How it ended; <see cref="ManagementResult.None"/> where it waits.</summary>
    public ManagementResult Result { get; private init; }

    /// <summary>Whether it waits for something, and its service will finish it.</summary>
    public bool IsParked { get; private init; }

    /// <summary>Bytes that moved.</summary>
    public int Length { get; init; }

    /// <summary>From whom, or a handle.</summary>
    public uint Source { get; init; }

    /// <summary>What the command says.</summary>
    public ulong Value { get; init; }

    /// <summary>Which version of a file.</summary>
    public ulong Version { get; init; }

    /// <summary>It waits.</summary>
    public static ManagementAnswer Parked { get; } = new() { IsParked = true };

    /// <summary>It was done.</summary>
    public static ManagementAnswer Done { get; } = new() { Result = ManagementResult.Done };

    /// <summary>It ended so.</summary>
    public static ManagementAnswer Of(ManagementResult result) => new() { Result = result };
}
