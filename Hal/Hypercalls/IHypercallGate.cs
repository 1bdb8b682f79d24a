namespace Dma.Hal;

/// <summary>The way from a guest to its VMM.</summary>
public interface IHypercallGate
{
    /// <summary>Makes a call; what each means and how it is refused stands at <see cref="Hypercall"/>.</summary>
    ValueTask<HypercallResult> Call(Hypercall number, ulong argument0 = 0, ulong argument1 = 0, ulong argument2 = 0, ulong argument3 = 0);
}
