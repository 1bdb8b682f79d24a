using Dma.Machine;

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
    /// <param name="request">What the unit shall forget.</param>
    /// <param name="devices">Devices that shall forget the same addresses after the unit has; null for none.</param>
    /// <returns>The devices that did not answer in time, so that they may use what was named; null where all did.</returns>
    /// <exception cref="DeviceException">The unit did not complete it.</exception>
    ValueTask<IReadOnlyList<SourceId>?> Invalidate(InvalidationRequest request, IReadOnlyList<DeviceTlbTarget>? devices = null);

    /// <summary>Ends its use and gives its memory back.</summary>
    /// <exception cref="DeviceException">The unit does not do what it must.</exception>
    ValueTask Stop();
}
