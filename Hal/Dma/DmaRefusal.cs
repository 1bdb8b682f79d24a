namespace Dma.Hal;

/// <summary>Why a DMA call changed nothing.</summary>
public enum DmaRefusal
{
    /// <summary>It was not refused.</summary>
    None = 0,

    /// <summary>A range that is empty, wraps, or is not this software's memory.</summary>
    BadRange,

    /// <summary>A direction that means nothing.</summary>
    BadDirection,

    /// <summary>No such device, or one that is not assigned to this software.</summary>
    NotAssigned,

    /// <summary>Nothing is mapped there.</summary>
    NotMapped,

    /// <summary>Memory, I/O addresses or a quota ran out.</summary>
    Exhausted,

    /// <summary>Policy of the VMM.</summary>
    Denied,
}
