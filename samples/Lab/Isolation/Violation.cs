namespace Dma.Lab;

/// <summary>Something happened that isolation rules out.</summary>
/// <param name="Invariant">Which statement does not hold, such as U1 or K5; docs/isolation.md lists them.</param>
/// <param name="Text">What happened, in one sentence.</param>
internal sealed record Violation(string Invariant, string Text);
