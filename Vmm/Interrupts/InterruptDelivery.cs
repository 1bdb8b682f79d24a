namespace Dma.Vmm;

/// <summary>How interrupts of devices get into a guest, and who acts for its local APIC.</summary>
/// <remarks>docs/interrupts.md shows the three side by side.</remarks>
public enum InterruptDelivery
{
    /// <summary>Never chosen.</summary>
    None = 0,

    /// <summary>The host takes the interrupt, and the VMM puts it in. Each access to the local APIC is an exit, the end of the interrupt too.</summary>
    Emulated,

    /// <summary>
    /// The unit remaps the interrupt to a vector of the host, and the VMM puts it in. The processor acts for the local APIC, so
    /// that the end is no exit. Where the unit does not remap, the device is trusted with the vector itself.
    /// </summary>
    Remapped,

    /// <summary>The unit posts the interrupt, and the processor takes it into the guest while that runs: no exit at all.</summary>
    Posted,
}
