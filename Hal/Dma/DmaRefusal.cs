namespace Dma.Hal;

/// <summary>Why a DMA call changed nothing. The numbers are part of the hypercall ABI.</summary>
public enum DmaRefusal
{
    /// <summary>It was not refused.</summary>
    None = 0,

    /// <summary>A range that is empty, wraps, is not this software's memory, or that tables cannot hold.</summary>
    BadRange = 1,

    /// <summary>A direction that means nothing.</summary>
    BadDirection = 2,

    /// <summary>No such device, or one that is not assigned to this software.</summary>
    NotAssigned = 3,

    /// <summary>Nothing is mapped there, or not exactly this.</summary>
    NotMapped = 4,

    /// <summary>Memory, I/O addresses or a quota ran out.</summary>
    Exhausted = 5,

    /// <summary>Policy of the VMM.</summary>
    Denied = 6,

    /// <summary>Something is mapped there already, or memory that should be freed is still mapped.</summary>
    StillMapped = 7,

    /// <summary>Memory that was not allocated here, or was freed before.</summary>
    NotAllocated = 8,

    /// <summary>The device cannot reach it, or not as one segment: beyond its address bits, across its boundary, too long, or in too many pieces.</summary>
    Unreachable = 9,
}
