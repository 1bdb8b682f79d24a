using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device for which a guest can map memory.</summary>
internal interface IGuestDevice
{
    /// <summary>Its place in the guest's PCI hierarchy, by which hypercalls name it.</summary>
    SourceId GuestAddress { get; }

    /// <summary>What the guest has mapped for it; null while nothing can be.</summary>
    DmaMappings? Mappings { get; }
}
