namespace Dma.Lab;

/// <summary>How far a device reaches with nothing mapped for it.</summary>
public enum PolicyReach
{
    /// <summary>Nowhere: what it reaches was mapped for it.</summary>
    Mapped = 0,

    /// <summary>All memory of its VM.</summary>
    Machine,

    /// <summary>The memory of other VMs.</summary>
    Host,
}
