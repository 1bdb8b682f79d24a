namespace Dma.Hal;

/// <summary>How much of the interrupt entry cache an invalidation takes.</summary>
internal enum InterruptScope
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Some entries: 2^mask of them.</summary>
    Entries,

    /// <summary>All of it.</summary>
    All,
}
