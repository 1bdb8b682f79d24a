namespace Dma.Vmm;

/// <summary>How a back end of the split driver works.</summary>
public sealed record UsbBackEndOptions
{
    /// <summary>Data of up to so many bytes is copied; more than that is mapped for the controller, where its pages can be put side by side.</summary>
    /// <remarks>A map and an unmap cost an invalidation: that much can be copied in the same time.</remarks>
    public int CopiedBytesMax { get; init; } = 1024;

    /// <summary>What it believes of grants; null for the VM's table. Anything else is for experiments.</summary>
    public IGrants? Grants { get; init; }
}
