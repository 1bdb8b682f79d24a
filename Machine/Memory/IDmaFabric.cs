namespace Dma.Machine;

/// <summary>What stands between bus masters and memory: nothing, or a remapping unit.</summary>
public interface IDmaFabric
{
    /// <summary>A port for a requester. Each requester has one; a function that moves to another bus number asks again.</summary>
    IDmaPort Open(SourceId source);

    /// <summary>Says where invalidations and page responses for a requester go; without a device that translates, nowhere.</summary>
    /// <param name="source">The requester.</param>
    /// <param name="deviceTlb">Its translations; null for a requester that keeps none, or is gone.</param>
    void Connect(SourceId source, IDeviceTlb? deviceTlb)
    {
    }
}
