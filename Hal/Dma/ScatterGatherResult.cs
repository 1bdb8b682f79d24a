namespace Dma.Hal;

/// <summary>The answer to a request to map several pieces: the stretches, or why not.</summary>
/// <param name="Mappings">The stretches in order, together as long as the pieces; empty when refused.</param>
/// <param name="Refusal"><see cref="DmaRefusal.None"/>, or why nothing is mapped.</param>
public readonly record struct ScatterGatherResult(IReadOnlyList<DmaMapping> Mappings, DmaRefusal Refusal);
