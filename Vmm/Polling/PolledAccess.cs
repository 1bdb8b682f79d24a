namespace Dma.Vmm;

/// <summary>Which registers of a device are memory that is polled.</summary>
public enum PolledAccess
{
    /// <summary>None: each access exits.</summary>
    Trapped,

    /// <summary>All of them, whatever is lost. To see what is.</summary>
    EveryPage,

    /// <summary>Those pages without a register that clears on one; the others exit. Doorbells rest at all ones there, so that a zero is seen. Of EHCI, whose registers share a page, that is none.</summary>
    SafePages,

    /// <summary>All of them; a HAL that knows the <see cref="Dma.Hal.WriteRing"/> puts writes there in order, and none is lost.</summary>
    WriteRing,
}
