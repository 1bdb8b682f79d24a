namespace Dma.UsbDevice;

/// <summary>What an address names that the controller behind a merge engine fetches structures by.</summary>
internal enum MergeLinkKind
{
    /// <summary>Nothing.</summary>
    Nothing = 0,

    /// <summary>A structure that the VM names itself whose structure is at hand.</summary>
    Guest,

    /// <summary>An element of the frame list.</summary>
    Frame,

    /// <summary>The head of the asynchronous list.</summary>
    Head,

    /// <summary>A queue head of the asynchronous list.</summary>
    Async,

    /// <summary>A structure of the periodic list.</summary>
    Periodic,

    /// <summary>What comes behind an FSTN of the periodic list, once its way into the frame before has ended.</summary>
    Resumed,
}
