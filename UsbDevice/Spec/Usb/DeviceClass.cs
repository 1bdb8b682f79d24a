namespace Dma.UsbDevice.Spec;

/// <summary>Class codes of devices and interfaces (USB class codes).</summary>
public enum DeviceClass : byte
{
    /// <summary>The interfaces say it.</summary>
    PerInterface = 0,

    /// <summary>Audio.</summary>
    Audio = 1,

    /// <summary>Communications, the interface that controls.</summary>
    Communications = 2,

    /// <summary>Human interface device.</summary>
    Hid = 3,

    /// <summary>Mass storage.</summary>
    MassStorage = 8,

    /// <summary>Hub.</summary>
    Hub = 9,

    /// <summary>Communications, the interface with the data.</summary>
    CommunicationsData = 10,

    /// <summary>The vendor defines it.</summary>
    VendorSpecific = 255,
}
