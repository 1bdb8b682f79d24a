namespace Dma.Vmm;

/// <summary>Where a single USB device of the host is on its way to a VM and back.</summary>
public enum UsbDeviceState
{
    /// <summary>With a driver of the host.</summary>
    Host,

    /// <summary>Logged out: no driver has it, and its configuration is released.</summary>
    Unbound,

    /// <summary>Its port is being reset, so that nothing of its last owner is left in it.</summary>
    Resetting,

    /// <summary>With a VM.</summary>
    Assigned,

    /// <summary>Taken from the VM, on its way back.</summary>
    Returning,
}
