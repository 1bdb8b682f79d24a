namespace Dma.Vmm;

/// <summary>What becomes of a device with reserved memory when a VM shall have it.</summary>
public enum ReservedMemoryPolicy
{
    /// <summary>Never set.</summary>
    None = 0,

    /// <summary>The assignment is refused: firmware may use the device behind the back of the VM.</summary>
    Refuse,

    /// <summary>Refused, but for USB controllers and display devices: firmware is known to be done with them, and their regions are not mapped.</summary>
    RefuseUnlessDone,

    /// <summary>The regions stay mapped in the domain of the device, and the VM has no memory at their addresses.</summary>
    KeepMapped,
}
