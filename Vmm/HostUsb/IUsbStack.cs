using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a back end needs of the USB stack that it passes devices of on: memory that the controller reaches.</summary>
/// <remarks>The stack runs on the host, or in a service VM; it is software above the VMM's library, and implements this and <see cref="IHostUsbDevice"/>.</remarks>
public interface IUsbStack
{
    /// <summary>Who runs the stack, and pays for what is done for guests there.</summary>
    Processor Processor { get; }

    /// <summary>Memory of the stack's own, mapped for the controller until it is released; whatever was in it before may still be.</summary>
    /// <param name="length">Bytes, at least 1.</param>
    /// <returns><c>null</c>, and nothing taken, where memory or device addresses are used up, or the controller has stopped.</returns>
    ValueTask<HostUsbBuffer?> TryAllocate(int length);

    /// <summary>Takes a buffer from the controller; when it completes, the controller cannot reach it any more, unless it is the stack's own.</summary>
    ValueTask Release(HostUsbBuffer buffer);
}
