namespace Dma.Hal;

/// <summary>A way to tell a unit that cached entries are stale.</summary>
internal interface IInvalidator
{
    /// <summary>How many requests were made.</summary>
    ulong Requests { get; }

    /// <summary>Makes it ready for use.</summary>
    /// <exception cref="DeviceException">The unit does not do what it must.</exception>
    ValueTask Start();

    /// <summary>Invalidates and waits; when it completes, nothing that it named is used any more. More may have been invalidated than was named.</summary>
    /// <exception cref="DeviceException">The unit did not complete it.</exception>
    ValueTask Invalidate(InvalidationRequest request);

    /// <summary>Ends its use and gives its memory back.</summary>
    /// <exception cref="DeviceException">The unit does not do what it must.</exception>
    ValueTask Stop();
}
