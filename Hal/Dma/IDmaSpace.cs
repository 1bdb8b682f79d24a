namespace Dma.Hal;

/// <summary>The DMA API of a driver: memory, and the addresses at which its device reaches it.</summary>
/// <remarks>
/// Device addresses are not memory addresses: a driver writes into its device only what comes from a mapping.
/// Calls take virtual time, as the VMM and the remapping unit do. After an unmap completes, the device cannot reach the memory through that mapping any more.
/// </remarks>
public interface IDmaSpace
{
    /// <summary>What the device can reach and take; a driver narrows it before it maps anything. <see cref="DmaLimits.None"/> unless set.</summary>
    /// <exception cref="ArgumentException">Limits that make no sense.</exception>
    DmaLimits Limits { get; set; }

    /// <summary>Zeroed memory of the software's own, for data; not yet reachable by the device.</summary>
    /// <param name="length">Bytes, at least 1; served in whole 4 KiB pages of its own, since what is mapped for a device is mapped by pages.</param>
    /// <param name="alignment">A power of two, at most 4096.</param>
    /// <exception cref="InvalidOperationException">The software's memory is used up.</exception>
    MemoryBuffer Allocate(int length, int alignment = 64);

    /// <summary>Gives memory back.</summary>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why it stays: <see cref="DmaRefusal.StillMapped"/> for the device, or
    /// <see cref="DmaRefusal.NotAllocated"/> by <see cref="Allocate"/>, or freed before.
    /// </returns>
    DmaRefusal Free(MemoryBuffer buffer);

    /// <summary>Zeroed memory that both sides use at the same time.</summary>
    /// <param name="length">Bytes, at least 1; served in whole 4 KiB pages of their own.</param>
    /// <exception cref="InvalidOperationException">Memory or I/O addresses are used up, or the VMM denies it.</exception>
    ValueTask<CoherentBuffer> AllocateCoherent(int length);

    /// <summary>Takes coherent memory from the device and gives it back.</summary>
    /// <returns>
    /// <see cref="DmaRefusal.None"/>, or why it stays: <see cref="DmaRefusal.NotAllocated"/> by <see cref="AllocateCoherent"/>,
    /// or freed before; <see cref="DmaRefusal.NotMapped"/> where memory and mapping do not belong together;
    /// <see cref="DmaRefusal.StillMapped"/> where the driver mapped it once more.
    /// </returns>
    ValueTask<DmaRefusal> FreeCoherent(CoherentBuffer buffer);

    /// <summary>Lets the device reach a buffer.</summary>
    /// <param name="buffer">The software's memory; it may lie anywhere in a page.</param>
    /// <param name="direction">What the device may do.</param>
    /// <returns>The mapping, or why there is none; <see cref="DmaRefusal.Unreachable"/> where it is no single segment within <see cref="Limits"/>.</returns>
    ValueTask<DmaMapResult> Map(MemoryBuffer buffer, DmaDirection direction);

    /// <summary>Lets the device reach several pieces, in as few segments as device addresses and <see cref="Limits"/> allow.</summary>
    /// <param name="segments">The pieces; those that touch are merged, and those that would be too long for one segment are cut.</param>
    /// <param name="direction">What the device may do.</param>
    /// <returns>The segments, or why nothing is mapped; <see cref="DmaRefusal.Unreachable"/> where there would be too many.</returns>
    ValueTask<ScatterGatherResult> MapScatterGather(IReadOnlyList<BufferSegment> segments, DmaDirection direction);

    /// <summary>Takes a mapping from the device; when it completes, the device cannot use it any more.</summary>
    /// <returns><see cref="DmaRefusal.None"/>, or why nothing changed.</returns>
    ValueTask<DmaRefusal> Unmap(DmaMapping mapping);

    /// <summary>Gives the software the bytes that the device wrote so far: to be called before it reads them while they are mapped.</summary>
    /// <param name="mapping">A live mapping.</param>
    /// <param name="offset">Where in it, in bytes.</param>
    /// <param name="length">Bytes, at least 1.</param>
    /// <returns><see cref="DmaRefusal.None"/>; <see cref="DmaRefusal.NotMapped"/> or <see cref="DmaRefusal.BadRange"/>, with nothing done.</returns>
    DmaRefusal SyncForCpu(DmaMapping mapping, int offset, int length);

    /// <summary>Gives the device the bytes that the software wrote: to be called after it wrote them while they are mapped, before the device reads them.</summary>
    /// <inheritdoc cref="SyncForCpu"/>
    DmaRefusal SyncForDevice(DmaMapping mapping, int offset, int length);
}
