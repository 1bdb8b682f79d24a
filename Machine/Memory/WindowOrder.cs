namespace Dma.Machine;

/// <summary>Who answers where a window of device registers and memory have the same address.</summary>
public enum WindowOrder
{
    /// <summary>The window: it belongs to the chipset, which decodes it before memory.</summary>
    OverMemory = 0,

    /// <summary>Memory: the window is behind a bus to which only goes what memory does not take, as with BARs.</summary>
    UnderMemory,
}
