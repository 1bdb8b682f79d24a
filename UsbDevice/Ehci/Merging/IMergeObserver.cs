namespace Dma.UsbDevice;

/// <summary>Sees what a merge engine gives to its controller. It changes nothing.</summary>
public interface IMergeObserver
{
    /// <summary>The controller fetched a structure of a VM, or the head of the asynchronous list.</summary>
    /// <param name="fetch">Which one.</param>
    void Fetched(in MergeFetch fetch);
}
