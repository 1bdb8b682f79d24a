namespace Dma.UsbDevice;

/// <summary>What a shared controller waits for with a request of a driver, or tells software of it.</summary>
public enum HeldState : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The request is held: software is asked whether it may go out.</summary>
    Asked = 1,

    /// <summary>Software let the request go out, and the device has done it.</summary>
    Done = 2,

    /// <summary>Software let the request go out, but the device has not done it, or the driver gave up before.</summary>
    Dropped = 3,

    /// <summary>No device of the register set has the address any more.</summary>
    Gone = 4,

    /// <summary>Software has answered; the request goes out as soon as its driver's schedule comes to it again.</summary>
    Answered = 5,

    /// <summary>The request went out; its status stage has not come.</summary>
    Sent = 6,
}
