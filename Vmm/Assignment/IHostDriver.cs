namespace Dma.Vmm;

/// <summary>A driver of the host that has a device, as far as its assignment to a VM is concerned.</summary>
public interface IHostDriver
{
    /// <summary>Lets the device go: users stopped, memory taken back, requester detached from the remapping unit.</summary>
    /// <returns><c>false</c> where it is in use; nothing changed then.</returns>
    ValueTask<bool> Release();

    /// <summary>Takes the device, which was just reset, back.</summary>
    /// <returns><c>false</c> where it does not want it.</returns>
    ValueTask<bool> Take();
}
