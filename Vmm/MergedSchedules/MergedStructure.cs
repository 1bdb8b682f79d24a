using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One structure of a merged schedule.</summary>
/// <param name="Machine">Whose it is.</param>
/// <param name="Type">What it is.</param>
/// <param name="GuestAddress">Where the VM has the structure that it is a copy of.</param>
public readonly record struct MergedStructure(VirtualMachine Machine, LinkType Type, GuestPhysicalAddress GuestAddress);
