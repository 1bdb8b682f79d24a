using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>One mode of the management device, as the core does it.</summary>
internal interface IManagementService
{
    /// <summary>Which mode.</summary>
    ManagementModes Mode { get; }

    /// <summary>Does a request, or begins to wait for what it needs.</summary>
    ManagementAnswer Serve(TakenRequest request);

    /// <summary>Forgets what is under way for a request that waits; the caller finishes it.</summary>
    void Cancel(TakenRequest request);

    /// <summary>Ends all that a port has in this mode, but for its waiting requests: the guest turned the mode off, reset its device, or is gone.</summary>
    void End(ManagementPort port);
}
