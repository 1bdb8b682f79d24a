namespace Dma.Vmm;

/// <summary>An isochronous endpoint of a device that stands for another.</summary>
internal interface IPassthroughStream
{
    /// <summary>Begins nothing any more; what the host has queued ends by itself.</summary>
    void Stop();
}
