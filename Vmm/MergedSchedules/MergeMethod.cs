namespace Dma.Vmm;

/// <summary>Who merges the schedules of VMs.</summary>
public enum MergeMethod
{
    /// <summary>The VMM, in copies; the controller is an ordinary one.</summary>
    Software = 0,

    /// <summary>A merge engine before the controller, while that fetches them.</summary>
    Hardware = 1,
}
