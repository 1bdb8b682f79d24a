namespace Dma.Workloads;

/// <summary>Which controller a workload goes through.</summary>
public enum ControllerKind
{
    /// <summary>EHCI; devices at its ports work at high speed.</summary>
    Ehci,

    /// <summary>xHCI.</summary>
    Xhci,
}
