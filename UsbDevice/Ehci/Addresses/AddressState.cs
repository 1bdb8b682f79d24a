namespace Dma.UsbDevice;

/// <summary>How far an address on a shared bus is on its way to a device.</summary>
public enum AddressState
{
    /// <summary>Nobody has it.</summary>
    Free = 0,

    /// <summary>A SET_ADDRESS with it was sent, and its status stage has not come.</summary>
    Pending = 1,

    /// <summary>A device has it.</summary>
    Live = 2,
}
