using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What root and context entry say about one requester in scalable mode: what a context cache keeps.</summary>
/// <param name="Fault">Why they say nothing; the other members but FPD then mean nothing.</param>
/// <param name="FaultProcessingDisable">Faults that the context entry qualifies are not recorded.</param>
/// <param name="DeviceTlbEnabled">DTE: translation requests and translated requests are served.</param>
/// <param name="PasidEnabled">PASIDE: requests may carry a PASID.</param>
/// <param name="PageRequestsEnabled">PRE: page requests are served.</param>
/// <param name="Directory">The PASID directory.</param>
/// <param name="PasidBits">How many bits of a PASID it covers, 13 to 20.</param>
/// <param name="RequesterPasid">The PASID of requests that carry none.</param>
/// <param name="RequesterPrivileged">Whether those have supervisor privilege.</param>
internal readonly record struct ScalableContext(
    FaultReason Fault,
    bool FaultProcessingDisable,
    bool DeviceTlbEnabled,
    bool PasidEnabled,
    bool PageRequestsEnabled,
    ulong Directory,
    int PasidBits,
    Pasid RequesterPasid,
    bool RequesterPrivileged)
{
    /// <summary>No context.</summary>
    public static ScalableContext None(FaultReason fault, bool faultProcessingDisable = false) =>
        new(fault, faultProcessingDisable, false, false, false, 0, 0, default, false);
}
