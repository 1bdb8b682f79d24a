using Dma.Machine;

namespace Dma.Vmm;

/// <summary>How a device model that does not run in the VMM gets at the memory of its VM, and to the VM.</summary>
internal interface IModelMemory
{
    /// <summary>Reads memory of the VM, page by page; it stops at the first that is none.</summary>
    DmaStatus Read(GuestPhysicalAddress address, Span<byte> destination);

    /// <summary>Writes memory of the VM, page by page; it stops at the first that is none.</summary>
    DmaStatus Write(GuestPhysicalAddress address, ReadOnlySpan<byte> source);

    /// <summary>The model asks the VMM to put an interrupt into the VM.</summary>
    /// <returns><c>false</c> where nobody asks any more.</returns>
    bool TryInterrupt();
}
