namespace Dma.Vmm;

/// <summary>How the VMM learns of descriptors that a guest adds or changes: EHCI has no doorbell for them.</summary>
public enum DiscoveryMethod
{
    /// <summary>It looks at all schedules once in a frame, a little before the frame begins.</summary>
    Scan = 0,

    /// <summary>The pages that hold schedules are protected: each store into them is a fault, and the VMM looks then.</summary>
    WriteProtection = 1,
}
