using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What the VMM needs of the host's USB stack to pass devices on: memory that a controller reaches.</summary>
/// <remarks>The stack itself is software of the host above the VMM's library; it implements this and <see cref="IHostUsbDevice"/>.</remarks>
public interface IHostUsbController
{
    /// <summary>Who runs the stack, and pays for what is done for guests there.</summary>
    Processor Processor { get; }

    /// <summary>Memory of the host, mapped for the controller until it is released; whatever was in it before may still be.</summary>
    /// <param name="length">Bytes, at least 1.</param>
    /// <returns><c>null</c>, and nothing taken, where memory or device addresses are used up.</returns>
    ValueTask<HostUsbBuffer?> TryAllocate(int length);

    /// <summary>Maps frames of a guest for the controller; they are pinned already.</summary>
    /// <param name="frames">The frames, in the order in which the controller shall see them side by side.</param>
    /// <param name="offset">Where in the first one the buffer begins.</param>
    /// <param name="length">Bytes, at least 1, at most what is left of all frames.</param>
    /// <param name="direction">What the controller may do.</param>
    /// <returns><c>null</c>, and nothing mapped, where device addresses or tables are used up.</returns>
    ValueTask<HostUsbBuffer?> TryMap(IReadOnlyList<PhysicalAddress> frames, int offset, int length, DmaDirection direction);

    /// <summary>Takes a buffer from the controller; when it completes, the controller cannot reach it any more.</summary>
    ValueTask Release(HostUsbBuffer buffer);
}
