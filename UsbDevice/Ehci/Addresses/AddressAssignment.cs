namespace Dma.UsbDevice;

/// <summary>Who chooses the address that a device has on a shared bus, and how.</summary>
public enum AddressAssignment
{
    /// <summary>The controller takes the lowest one that is free.</summary>
    Dynamic = 0,

    /// <summary>The controller composes it of the number of the register set and of the address that its driver chose: each set has a range of its own.</summary>
    Static = 1,

    /// <summary>The controller asks the software of its physical function, and holds the request of the driver until it answers.</summary>
    Software = 2,
}
