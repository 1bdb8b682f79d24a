namespace Dma.Vmm;

/// <summary>How a page is cached (bits 5:3 of an EPT entry that maps a page); 2, 3 and 7 are reserved.</summary>
public enum EptMemoryType
{
    /// <summary>UC, for device registers.</summary>
    Uncacheable = 0,

    /// <summary>WC.</summary>
    WriteCombining = 1,

    /// <summary>WT.</summary>
    WriteThrough = 4,

    /// <summary>WP.</summary>
    WriteProtected = 5,

    /// <summary>WB, for memory.</summary>
    WriteBack = 6,
}
