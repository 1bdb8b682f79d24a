namespace Dma.Vmm;

/// <summary>What runs in a VM, as far as its migration needs to know it.</summary>
/// <remarks>
/// <code>
///   runs with devices --ReleaseDevices--> runs without --Pause--> stands still --Resume(machine)--> runs with devices
/// </code>
/// Software of a guest is <c>async</c> methods of this program: where it is between two awaits cannot be copied to another
/// processor. So it takes part: it pauses between two steps, with all that it wants to find again in the VM's memory or in
/// objects of its own that name no machine, and it is handed the machine on which it goes on: the new one, or the old one
/// where the migration came to nothing. Its drivers stop before their devices go, and start again afterwards, as they do
/// when a device is unplugged and another one is plugged in.
/// </remarks>
public interface IGuestSoftware
{
    /// <summary>A request to unplug: drivers end what they have begun, and let their devices go.</summary>
    /// <returns><c>false</c> where the guest wants to keep them; it goes on as before then.</returns>
    ValueTask<bool> ReleaseDevices();

    /// <summary>When this completes, the software touches nothing of its machine, and no handler of an interrupt is unfinished.</summary>
    ValueTask Pause();

    /// <summary>The software goes on, from wherever it was asked to stop; this returns once it has begun to.</summary>
    /// <param name="machine">Where: the same memory as before; drivers find the devices that are there now.</param>
    void Resume(VirtualMachine machine);
}
