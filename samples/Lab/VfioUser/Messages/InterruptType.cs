namespace Dma.Lab;

/// <summary>The types of interrupts of a PCI device (Linux, vfio.h).</summary>
internal enum InterruptType
{
    /// <summary>The level of a pin.</summary>
    Intx = 0,

    /// <summary>Messages of MSI.</summary>
    Msi = 1,

    /// <summary>Messages of MSI-X.</summary>
    Msix = 2,

    /// <summary>The device saw an error; nothing here has it.</summary>
    Error = 3,

    /// <summary>The server wants the device back; nothing here has it.</summary>
    Request = 4,
}
