using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The root table as SRTP took it, and the mode of translation that it begins.</summary>
/// <param name="Root">What software wrote.</param>
/// <param name="Mode">The mode; one that the unit does not have is none, as is the reserved one.</param>
internal readonly record struct TranslationMode(RootTableAddress Root, TranslationTableMode Mode)
{
    /// <summary>What a root table means to a unit.</summary>
    public static TranslationMode Of(RootTableAddress root, HardwareProfile profile) => new(root, root.Mode switch
    {
        TranslationTableMode.Scalable when !profile.ExtendedCapabilities.ScalableMode => TranslationTableMode.Reserved,
        TranslationTableMode.Abort when !profile.ExtendedCapabilities.AbortDma => TranslationTableMode.Reserved,
        _ => root.Mode,
    });

    /// <summary>The root table.</summary>
    public PhysicalAddress Table => Root.Table;

    /// <summary>Whether nothing passes and nothing is recorded.</summary>
    public bool Aborts => Mode == TranslationTableMode.Abort;

    /// <summary>Whether the tables are those of scalable mode.</summary>
    public bool IsScalable => Mode == TranslationTableMode.Scalable;

    /// <summary>Whether the mode knows requests of a kind.</summary>
    public FaultReason Admit<TObserver>(DmaAttributes attributes, TObserver observer)
        where TObserver : struct, IWalkObserver
    {
        // RTA.1: the mode must be one.
        bool exists = Mode != TranslationTableMode.Reserved;
        if (TObserver.Observes)
            observer.Check(WalkCheckKind.TranslationMode, (ulong)Root.Mode, exists);
        if (!exists)
            return FaultReason.TranslationModeInvalid;

        // RTA.2: only scalable mode knows PASIDs.
        bool served = attributes.Pasid is null || Mode != TranslationTableMode.Legacy;
        if (TObserver.Observes && attributes.Pasid is not null)
            observer.Check(WalkCheckKind.PasidRequest, 0, served);
        return served ? FaultReason.None : FaultReason.PasidInLegacyMode;
    }

    /// <summary>Whether the mode knows page requests.</summary>
    public FaultReason AdmitPageRequest() => Mode switch
    {
        // RTA.1 and RTA.3, the latter whether there is a PASID or not. In abort mode nothing is said.
        TranslationTableMode.Reserved => FaultReason.TranslationModeInvalid,
        TranslationTableMode.Legacy => FaultReason.PageRequestInLegacyMode,
        _ => FaultReason.None,
    };
}
