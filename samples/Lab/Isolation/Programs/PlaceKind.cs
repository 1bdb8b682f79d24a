namespace Dma.Lab;

/// <summary>What a step of a world program may point at, by what is there.</summary>
internal enum PlaceKind
{
    /// <summary>A number as it is.</summary>
    Number = 0,

    /// <summary>A device address that the VMM gave out for the device of the step and that still holds.</summary>
    Mapping,

    /// <summary>A device address that led somewhere once.</summary>
    Gone,

    /// <summary>A page of the VM's own memory, as the VM counts them.</summary>
    Own,

    /// <summary>The frame of the host behind a page of a VM.</summary>
    Frame,

    /// <summary>A page of the VMM's own memory, from where tables begin.</summary>
    Vmm,

    /// <summary>The registers of the remapping unit.</summary>
    Unit,

    /// <summary>The interrupt range.</summary>
    Interrupts,

    /// <summary>The memory-mapped configuration space.</summary>
    Configuration,

    /// <summary>The registers of the device of the step, where the VM finds them.</summary>
    Registers,
}
