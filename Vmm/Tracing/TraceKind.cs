namespace Dma.Vmm;

/// <summary>What an event on the bus was.</summary>
public enum TraceKind
{
    /// <summary>Never recorded.</summary>
    None = 0,

    /// <summary>A device read memory.</summary>
    Read,

    /// <summary>A device wrote memory, or sent an interrupt message.</summary>
    Write,

    /// <summary>A device changed memory by an atomic operation.</summary>
    Atomic,

    /// <summary>A device asked for a translation.</summary>
    Translation,

    /// <summary>A device asked for a page to be made available.</summary>
    PageRequest,

    /// <summary>An interrupt message arrived at the processors.</summary>
    Interrupt,

    /// <summary>The remapping unit refused a request.</summary>
    Fault,

    /// <summary>A device said that an invalidation of its translations is done.</summary>
    InvalidationDone,
}
