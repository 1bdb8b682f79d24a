namespace Dma.Vmm;

/// <summary>Steps of the merging of schedules, each of which can be left out to see what it is there for.</summary>
/// <remarks>The VMM leaves out its own; an engine is built without one (<see cref="UsbDevice.MergingEhciOptions"/>).</remarks>
[Flags]
public enum MergeSteps
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A guest's doorbell is answered after the controller has let go of what the guest unlinked; without, at once.</summary>
    Doorbell = 1 << 0,

    /// <summary>Buffers of each VM are reached through an I/O address window of its own; without, all have the same.</summary>
    Windows = 1 << 1,

    /// <summary>The overlay of a copy is the controller's, and what becomes of it goes to the guest; without, each look takes that of the guest again, which knows nothing of it.</summary>
    Overlay = 1 << 2,

    /// <summary>Device addresses are replaced; without, devices of different VMs may have the same one.</summary>
    Addresses = 1 << 3,

    /// <summary>An engine reaches each VM under a requester id of its own; without, all under that of the first.</summary>
    Requesters = 1 << 4,

    /// <summary>The heads of the rings of VMs are hidden; without, the controller finds several, and ends its rounds too early.</summary>
    Heads = 1 << 5,

    /// <summary>Isochronous transactions of all VMs are linked as far as the bus time of a microframe goes; without, all that are asked for.</summary>
    Budget = 1 << 6,

    /// <summary>A frame list of fewer elements comes again and again in that of the controller; without, it comes once, and its VM has nothing in the frames behind it.</summary>
    Repetition = 1 << 7,
}
