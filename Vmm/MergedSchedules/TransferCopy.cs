using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>A qTD of a guest and the slot of its copy, which the controller executes.</summary>
internal sealed class TransferCopy
{
    /// <summary>Where the guest has it, within its segment.</summary>
    public uint GuestAddress { get; set; }

    /// <summary>Where the copy is.</summary>
    public uint Address { get; set; }

    /// <summary>What the guest wrote there when it was copied.</summary>
    public TransferDescriptor Guest { get; set; }

    /// <summary>Whether the copy is the controller's: made active, and its end not written back yet.</summary>
    public bool IsArmed { get; set; }

    /// <summary>Whether the controller would meet an error of the host system here: it, or its buffer, is no memory of the VM.</summary>
    public bool IsBroken { get; set; }

    /// <summary>By which look it was found last.</summary>
    public uint Look { get; set; }
}
