namespace Dma.Machine;

/// <summary>The way of one bus master into memory: all that a device knows of the world behind the bus.</summary>
/// <remarks>
/// The bus hands it out together with the source-id, which the device cannot choose. A transaction longer
/// than what is left of a 4 KiB page goes out page by page, in order, and stops at the first page that is
/// refused: pages before it are done, bytes of that page and of later ones are untouched on both sides.
/// </remarks>
public interface IDmaPort
{
    /// <summary>The requester that every transaction of this port carries.</summary>
    SourceId Source { get; }

    /// <summary>Reads memory into the device.</summary>
    /// <param name="address">The first byte, in the device's own address space.</param>
    /// <param name="destination">As many bytes as shall be read; may be empty (a zero-length read).</param>
    /// <param name="attributes">What else the request carries.</param>
    DmaStatus Read(Iova address, Span<byte> destination, DmaAttributes attributes = default);

    /// <summary>Writes from the device into memory, or raises a message-signalled interrupt.</summary>
    /// <param name="address">The first byte, in the device's own address space.</param>
    /// <param name="source">The bytes.</param>
    /// <param name="attributes">What else the request carries.</param>
    DmaStatus Write(Iova address, ReadOnlySpan<byte> source, DmaAttributes attributes = default);

    /// <summary>Replaces a quadword of memory if it holds what is expected, as one operation (AtomicOp, compare and swap).</summary>
    /// <remarks>A way that knows no atomic operations completes them as unsupported requests.</remarks>
    /// <param name="address">The quadword, in the device's own address space; a multiple of 8.</param>
    /// <param name="compare">What must be there.</param>
    /// <param name="swap">What is put there.</param>
    /// <param name="found">What was there; 0 where the operation was not done.</param>
    /// <param name="attributes">What else the request carries.</param>
    DmaStatus CompareSwap(Iova address, ulong compare, ulong swap, out ulong found, DmaAttributes attributes = default)
    {
        found = 0;
        return DmaStatus.Unclaimed;
    }

    /// <summary>Asks for a translation, as a device with a TLB of its own does; no data moves (translation request).</summary>
    /// <remarks>A way on which nobody translates completes it as an unsupported request.</remarks>
    /// <param name="address">The address, in the device's own address space.</param>
    /// <param name="wantsWrite">Whether the right to write is asked for (the NW flag is clear).</param>
    /// <param name="attributes">What else the request carries; its address type is known.</param>
    TranslationCompletion RequestTranslation(Iova address, bool wantsWrite, DmaAttributes attributes = default) =>
        TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);

    /// <summary>Asks the system to make a page available (page request message); the answer comes to <see cref="IDeviceTlb.Respond"/>.</summary>
    /// <remarks>A way on which nobody takes such messages drops them: they are posted, and the device hears nothing.</remarks>
    /// <param name="request">The page, and what for.</param>
    void RequestPage(in PageRequest request)
    {
    }

    /// <summary>Says that an invalidation is done: no request that is still under way uses what it named (invalidate completion message).</summary>
    /// <remarks>A way on which nobody waits for such messages drops them.</remarks>
    /// <param name="tag">Which invalidation: <see cref="DeviceTlbInvalidation.Tag"/>, 0 to 31.</param>
    void CompleteInvalidation(int tag)
    {
    }
}
