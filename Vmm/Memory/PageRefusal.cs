namespace Dma.Vmm;

/// <summary>Why a page did not leave its frame. Whatever it was, the page is where it was, with all its bytes.</summary>
public enum PageRefusal
{
    /// <summary>It left.</summary>
    None = 0,

    /// <summary>The address is no memory of the VM, or the VM has ended.</summary>
    NotMemory,

    /// <summary>It has no frame: it is swapped out, or was never touched.</summary>
    NotResident,

    /// <summary>A device may be using the frame, and cannot be asked to wait: the frame stays until it is unmapped.</summary>
    Pinned,

    /// <summary>It is on its way already.</summary>
    Busy,

    /// <summary>The frame that was named is not free, or none is, or none is for a table.</summary>
    NoFrame,

    /// <summary>The guest wrote it while it was copied, or a device asked for it: the copy is worth nothing.</summary>
    Changed,
}
