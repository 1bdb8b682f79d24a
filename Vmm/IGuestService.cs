namespace Dma.Vmm;

/// <summary>Something that the host does for a VM, with memory or devices of the VM in its hands: it ends before the VM does.</summary>
internal interface IGuestService
{
    /// <summary>Ends it; when it completes, it uses nothing of the VM any more.</summary>
    ValueTask Close();
}
