namespace Dma.Properties;

/// <summary>What a guest does with its controller and device next.</summary>
internal enum DeviceUse
{
    /// <summary>A vendor request with an answer.</summary>
    Ask,

    /// <summary>Reads by bulk.</summary>
    Read,

    /// <summary>Writes by bulk.</summary>
    Write,

    /// <summary>Asks an endpoint that answers NAK for ever, and takes the transfer back.</summary>
    Cancel,

    /// <summary>Reads by the periodic schedule.</summary>
    ReadPeriodic,

    /// <summary>Chooses a setting of the interface that streams: 0 and 1 are there.</summary>
    Choose,

    /// <summary>Takes what the device sends on time, for a while.</summary>
    Stream,

    /// <summary>Resets the port, and gives the device an address again.</summary>
    ResetPort,

    /// <summary>Stops the driver and starts it again: a reset of the controller.</summary>
    ResetController,

    /// <summary>Somebody pulls the device out, and plugs it in again.</summary>
    Unplug,

    /// <summary>Nothing for a while.</summary>
    Wait,

    /// <summary>The VM ends.</summary>
    Crash,
}

/// <summary>A step of a guest.</summary>
/// <param name="Use">What it does.</param>
/// <param name="Amount">How much: packets to read, bytes to write, microseconds to wait.</param>
internal readonly record struct DeviceStep(DeviceUse Use, int Amount);
