using Dma.Hal.Spec;

namespace Dma.Drivers;

/// <summary>How a request to the management device ended, and what came back.</summary>
/// <param name="Completion">The completion.</param>
/// <param name="Output">The bytes that the device wrote.</param>
public readonly record struct ManagementReply(ManagementCompletion Completion, ReadOnlyMemory<byte> Output)
{
    /// <summary>How it ended.</summary>
    public ManagementResult Result => Completion.Result;
}
