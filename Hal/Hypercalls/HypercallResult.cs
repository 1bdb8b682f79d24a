namespace Dma.Hal;

/// <summary>What a hypercall came to.</summary>
/// <param name="Refusal"><see cref="DmaRefusal.None"/>, or why nothing changed.</param>
/// <param name="Value">The result, where the call has one and was not refused; otherwise zero.</param>
public readonly record struct HypercallResult(DmaRefusal Refusal, ulong Value);
