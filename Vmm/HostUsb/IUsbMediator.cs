namespace Dma.Vmm;

/// <summary>Who stands between a VM and single USB devices of the host, whose controller others use too.</summary>
/// <remarks>
/// A remapping unit tells controllers apart, and not the devices behind one: to give away a single device somebody must look
/// at each transfer.
/// </remarks>
public interface IUsbMediator
{
    /// <summary>What it is, for people.</summary>
    string Name { get; }

    /// <summary>For which VM.</summary>
    VirtualMachine Machine { get; }

    /// <summary>Shows a device to the VM; it was just reset.</summary>
    /// <returns><c>false</c>, and nothing changed, where no port is left for it, or it talks at a speed that none has.</returns>
    ValueTask<bool> Attach(IHostUsbDevice device);

    /// <summary>Takes it away; when it completes, nothing of the VM is under way to the device.</summary>
    ValueTask Detach(IHostUsbDevice device);
}
