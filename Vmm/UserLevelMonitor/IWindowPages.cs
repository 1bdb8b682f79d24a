using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The VMM, as a pseudo-device driver asks it for pages of one VM: it is in the same kernel, or below the service VM that the driver is in.</summary>
internal interface IWindowPages
{
    /// <summary>Who runs the driver and its process, and pays for them.</summary>
    Processor Processor { get; }

    /// <summary>The device was opened: whoever takes pages back tells it.</summary>
    /// <exception cref="InvalidOperationException">The VMM gives its driver no pages of this VM.</exception>
    void Open(PseudoDevice device, ProcessSpace space);

    /// <summary>The device is closed; it shows nothing any more.</summary>
    void Close(PseudoDevice device, ProcessSpace space);

    /// <summary>Asks for a page.</summary>
    /// <param name="page">The first byte of the page, guest-physical.</param>
    /// <param name="place">Where the driver finds it, as its OS knows memory.</param>
    /// <returns><c>false</c> where that is no memory of the VM, or it cannot be had.</returns>
    bool TryShow(GuestPhysicalAddress page, out GuestPhysicalAddress place);

    /// <summary>Gives a page back to which no entry leads any more.</summary>
    /// <param name="page">The page.</param>
    /// <param name="place">Where it was.</param>
    /// <param name="isWritten">Whether the process wrote it.</param>
    void Hide(GuestPhysicalAddress page, GuestPhysicalAddress place, bool isWritten);

    /// <summary>Lets the controller of a stack reach the pages of a list; they stay where they are until <see cref="Unmap"/>.</summary>
    /// <returns>What the controller reaches; null, and nothing pinned, where a byte is no memory of the VM, or that cannot be had.</returns>
    ValueTask<HostUsbBuffer?> TryMap(ScatterList list, IUsbStack stack, DmaDirection direction);

    /// <summary>Takes them from the controller; when it completes, it reaches them no more.</summary>
    ValueTask Unmap(ScatterList list, IUsbStack stack, HostUsbBuffer mapped, DmaDirection direction);

    /// <summary>Where the processor gets to by an entry.</summary>
    /// <param name="place">Where the entry leads.</param>
    /// <param name="isWrite">Whether it writes there.</param>
    /// <returns>The frame; null where nothing is there.</returns>
    PhysicalAddress? Reach(GuestPhysicalAddress place, bool isWrite);
}
