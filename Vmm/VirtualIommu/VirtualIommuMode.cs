namespace Dma.Vmm;

/// <summary>How what a guest's tables say is made the host's.</summary>
public enum VirtualIommuMode
{
    /// <summary>The guest has second-stage tables, which the VMM reads, translates and writes into tables of the host.</summary>
    Shadow,

    /// <summary>The guest has first-stage tables, which the host's unit reads itself (nested translation); it needs a unit that can.</summary>
    Nested,
}
