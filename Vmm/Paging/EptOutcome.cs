namespace Dma.Vmm;

/// <summary>How a walk of EPT ends.</summary>
public enum EptOutcome
{
    /// <summary>Never walked.</summary>
    None = 0,

    /// <summary>The address is mapped with the right that the access needs.</summary>
    Mapped,

    /// <summary>An EPT violation: an entry on the way is not present, or the right is missing. The VMM decides what it means.</summary>
    Violation,

    /// <summary>An EPT misconfiguration: an entry on the way is malformed. A bug of the VMM.</summary>
    Misconfiguration,
}
