namespace Dma.Lab;

/// <summary>How a VM gets at USB devices.</summary>
internal enum IoModel
{
    /// <summary>The VMM shows it a controller of its own, made of software, and passes what is plugged in there on to the host's stack.</summary>
    Emulated,

    /// <summary>A front end in the guest and a back end on the host share memory; the guest knows that it is one.</summary>
    Split,

    /// <summary>The controller itself is assigned to the VM, behind the remapping unit.</summary>
    Direct,
}
