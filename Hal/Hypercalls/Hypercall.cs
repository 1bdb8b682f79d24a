namespace Dma.Hal;

/// <summary>The number of a hypercall: what a guest may ask of its VMM.</summary>
public enum Hypercall
{
    /// <summary>No call.</summary>
    None = 0,

    /// <summary>
    /// Arguments: device handle, first guest-physical byte, length in bytes, <see cref="DmaDirection"/>.
    /// Result: the device address of the first byte.
    /// </summary>
    MapDma = 1,

    /// <summary>Arguments: device handle, device address as returned by <see cref="MapDma"/>, length. No result.</summary>
    UnmapDma = 2,

    /// <summary>
    /// Arguments: index 0, 1, … of an assigned device. Result: its handle, which is the source-id that it has in the
    /// guest's own PCI topology.
    /// </summary>
    FindDevice = 3,
}

/// <summary>What a hypercall came to.</summary>
/// <param name="Refusal"><see cref="DmaRefusal.None"/>, or why nothing changed.</param>
/// <param name="Value">The result, where the call has one and was not refused.</param>
public readonly record struct HypercallResult(DmaRefusal Refusal, ulong Value);

/// <summary>The way from a guest to its VMM.</summary>
public interface IHypercallGate
{
    /// <summary>Makes a call. An unknown number is refused as <see cref="DmaRefusal.Denied"/>.</summary>
    ValueTask<HypercallResult> Call(Hypercall number, ulong argument0 = 0, ulong argument1 = 0, ulong argument2 = 0, ulong argument3 = 0);
}
