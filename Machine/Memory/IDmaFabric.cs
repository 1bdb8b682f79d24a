namespace Dma.Machine;

/// <summary>What stands between bus masters and memory: nothing, or a remapping unit.</summary>
public interface IDmaFabric
{
    /// <summary>A port for a requester. Each requester has one; a function that moves to another bus number asks again.</summary>
    IDmaPort Open(SourceId source);
}
