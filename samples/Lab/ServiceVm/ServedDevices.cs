namespace Dma.Lab;

/// <summary>How a VM has the devices that a service VM passes on.</summary>
internal enum ServedDevices
{
    /// <summary>By a front end, which makes requests.</summary>
    FrontEnd,

    /// <summary>By a controller that a user-level monitor in the service VM models; its driver is the ordinary one.</summary>
    Model,
}
