namespace Dma.Lab;

/// <summary>Who did something, in a timeline of a transfer.</summary>
internal enum ModelLane
{
    /// <summary>The guest's software.</summary>
    Guest,

    /// <summary>The VMM, and the devices that it makes of software.</summary>
    Vmm,

    /// <summary>The drivers of the host.</summary>
    HostDrivers,

    /// <summary>The USB bus of the controller.</summary>
    Bus,

    /// <summary>Requests of the controller, on their way through the remapping unit.</summary>
    Iommu,
}
