namespace Dma.Machine;

/// <summary>What software is charged for.</summary>
public enum Cost
{
    /// <summary>A guest leaves for the VMM and comes back.</summary>
    Exit,

    /// <summary>A guest asks the VMM for something, on top of the exit.</summary>
    Hypercall,

    /// <summary>The VMM puts an interrupt into a guest.</summary>
    InterruptInjection,

    /// <summary>The processor takes posted interrupts into the guest that it runs, which does not leave.</summary>
    Notification,

    /// <summary>Software invalidates a cache of the remapping unit and waits for it.</summary>
    Invalidation,

    /// <summary>A second-level page fault of the processor.</summary>
    PageFault,

    /// <summary>A load or store of a device register.</summary>
    RegisterAccess,

    /// <summary>The VMM wakes a process of its service OS and waits for it.</summary>
    Upcall,

    /// <summary>A process asks its operating system for something.</summary>
    SystemCall,

    /// <summary>A processor that several VMs share goes from one of them to another.</summary>
    MachineSwitch,

    /// <summary>A processor starts to copy bytes.</summary>
    Copy,

    /// <summary>A processor copies one byte.</summary>
    CopiedByte,
}
