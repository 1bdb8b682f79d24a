namespace Dma.Lab;

/// <summary>A violation, and the step after which it was there.</summary>
/// <param name="Violation">What was violated.</param>
/// <param name="Step">The number of the step, from 1 on; 0 before the first one, one past the last at the end of the world.</param>
internal sealed record WorldFinding(Violation Violation, int Step);
