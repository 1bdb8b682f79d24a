using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The USB stack of the host for one controller: it can let the controller reach memory of guests too.</summary>
public interface IHostUsbController : IUsbStack
{
    /// <summary>Maps frames of a guest for the controller; they are pinned already.</summary>
    /// <param name="frames">The frames, in the order in which the controller shall see them side by side.</param>
    /// <param name="offset">Where in the first one the buffer begins.</param>
    /// <param name="length">Bytes, at least 1, at most what is left of all frames.</param>
    /// <param name="direction">What the controller may do.</param>
    /// <returns><c>null</c>, and nothing mapped, where device addresses or tables are used up.</returns>
    ValueTask<HostUsbBuffer?> TryMap(IReadOnlyList<PhysicalAddress> frames, int offset, int length, DmaDirection direction);
}
