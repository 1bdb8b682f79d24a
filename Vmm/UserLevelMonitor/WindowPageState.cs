namespace Dma.Vmm;

/// <summary>What a window shows of a page.</summary>
public enum WindowPageState
{
    /// <summary>Nothing: an access faults.</summary>
    Absent,

    /// <summary>The frame that EPT has there.</summary>
    Present,

    /// <summary>A frame that EPT does not have there, or not any more.</summary>
    Stale,
}
