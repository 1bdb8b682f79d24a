namespace Dma.Machine;

/// <summary>Which completions a device sends at once for an invalidation of its translations.</summary>
[Flags]
public enum DeviceTlbAnswer
{
    /// <summary>Not any yet: it comes by <see cref="IDmaPort.CompleteInvalidation"/> while there is time, or the invalidation times out (ITE).</summary>
    None = 0,

    /// <summary>The one that belongs to the request: the device has forgotten the translations.</summary>
    Completed = 1,

    /// <summary>One that belongs to no request (ICE).</summary>
    Unexpected = 2,
}
