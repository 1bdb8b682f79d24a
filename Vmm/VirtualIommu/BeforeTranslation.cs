namespace Dma.Vmm;

/// <summary>What assigned devices reach while the guest has not turned translation on, or turned it off.</summary>
public enum BeforeTranslation
{
    /// <summary>All memory of the guest, as without a remapping unit; all of it is pinned.</summary>
    AllMemory,

    /// <summary>Nothing: a guest that wants DMA has to translate.</summary>
    Nothing,
}
