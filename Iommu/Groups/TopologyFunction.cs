using Dma.Machine;

namespace Dma.Iommu;

/// <summary>One function of a PCI hierarchy, as far as it decides who can be kept apart.</summary>
/// <param name="Source">Where it is.</param>
/// <param name="BridgeAbove">The bridge on whose secondary bus it is; null on a root bus.</param>
/// <param name="IsBridge">Whether another bus lies behind it.</param>
/// <param name="Type">What it is in PCI Express; null for a conventional function or bridge.</param>
/// <param name="AccessControls">What its access control services can check, as its capability says; none without that.</param>
public readonly record struct TopologyFunction(
    SourceId Source, SourceId? BridgeAbove, bool IsBridge, PciExpressType? Type, AccessControls AccessControls)
{
    /// <summary>What must be checked so that no request reaches a peer without passing the root (PCI Express base, 6.12).</summary>
    public const AccessControls Isolating = AccessControls.SourceValidation
        | AccessControls.PeerRequestRedirect | AccessControls.PeerCompletionRedirect | AccessControls.UpstreamForwarding;

    /// <summary>Whether it sends requests for its peers up to the root, and lets nobody below take another's name.</summary>
    public bool Isolates => (AccessControls & Isolating) == Isolating;

    /// <summary>Whether it is a port that leads away from the root.</summary>
    public bool IsPort => IsBridge && Type is PciExpressType.RootPort or PciExpressType.SwitchDownstreamPort;

    /// <summary>Whether all requests from below leave it under one name.</summary>
    public bool SharesRequester => IsBridge && Type is null or PciExpressType.ExpressToConventional;
}
