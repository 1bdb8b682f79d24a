using Dma.Machine;

namespace Dma.Devices;

/// <summary>What a rogue device knows of the machine around it: more than it should.</summary>
/// <param name="Buffer">Its own buffer of a page, in its own address space.</param>
/// <param name="NeighbourBuffer">The buffer of a neighbour, in the neighbour's address space.</param>
/// <param name="NeighbourMemory">Where that buffer is in memory.</param>
/// <param name="Neighbour">The neighbour's source-id.</param>
/// <param name="NeighbourInterrupt">The message that raises the neighbour's vector on the processor.</param>
public readonly record struct RogueTarget(
    Iova Buffer, Iova NeighbourBuffer, PhysicalAddress NeighbourMemory, SourceId Neighbour, MessageInterrupt NeighbourInterrupt);
