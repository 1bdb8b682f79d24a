namespace Dma.Vmm;

/// <summary>The VMM's say in what a guest may let its devices reach, on top of what isolation asks for.</summary>
public interface IDmaPolicy
{
    /// <summary>Whether a mapping may be made. Everything else about the request is in order already.</summary>
    bool Permits(in DmaRequest request);
}
