namespace Dma.Vmm;

/// <summary>What a pseudo-device driver does when a page that its window shows loses its frame.</summary>
public enum ShootDown
{
    /// <summary>The entry is removed and what processors cache of it is flushed, before the frame has another use.</summary>
    Flushed,

    /// <summary>The entry is removed, and nobody tells the processors: what they cache goes on to work. To see what comes of it.</summary>
    Unflushed,

    /// <summary>The driver does not pin what it maps, and is told of nothing: the entry goes on to work. To see what comes of it.</summary>
    None,
}
