using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>How the requests of one PASID of one requester are translated: what a PASID cache keeps.</summary>
/// <param name="Fault">Why directory and table do not say; the other members but FPD then mean nothing.</param>
/// <param name="FaultProcessingDisable">Faults are not recorded: context, directory or PASID entry say so.</param>
/// <param name="Pasid">The PASID, of the request or in place of one.</param>
/// <param name="Domain">The tag of cached translations; 0 where there is a fault.</param>
/// <param name="Type">Which stages translate.</param>
/// <param name="Flags">What else the PASID entry decides.</param>
/// <param name="FirstRoot">The top table of the first stage; nested, an address for the second stage.</param>
/// <param name="FirstLevels">How many levels it has, 4 or 5; 0 where there is no first stage.</param>
/// <param name="SecondRoot">The top table of the second stage.</param>
/// <param name="SecondLevels">How many levels it has, 3 to 5; 0 where there is no second stage.</param>
internal readonly record struct PasidInfo(
    FaultReason Fault,
    bool FaultProcessingDisable,
    Pasid Pasid,
    DomainId Domain,
    PasidTranslationType Type,
    PasidFlags Flags,
    ulong FirstRoot,
    int FirstLevels,
    ulong SecondRoot,
    int SecondLevels)
{
    /// <summary>No PASID entry.</summary>
    public static PasidInfo None(FaultReason fault, Pasid pasid, bool faultProcessingDisable) =>
        new(fault, faultProcessingDisable, pasid, default, default, default, 0, 0, 0, 0);

    /// <summary>Whether a flag is set.</summary>
    public bool Has(PasidFlags flag) => (Flags & flag) != 0;
}

/// <summary>The single bits of a PASID entry that decide how a walk goes, as the unit understands them.</summary>
[Flags]
internal enum PasidFlags
{
    /// <summary>None of them.</summary>
    None = 0,

    /// <summary>SRE: supervisor requests are served.</summary>
    SupervisorRequests = 1,

    /// <summary>ERE: requests to execute are served.</summary>
    ExecuteRequests = 2,

    /// <summary>WPE: read-only pages are read-only for supervisor requests too.</summary>
    WriteProtect = 4,

    /// <summary>NXE: first-stage entries may forbid execution.</summary>
    NoExecute = 8,

    /// <summary>SMEP: supervisor requests execute no user page.</summary>
    SupervisorExecutionPrevented = 16,

    /// <summary>EAFE: first-stage entries keep the extended accessed bit.</summary>
    ExtendedAccessed = 32,

    /// <summary>SSADE: second-stage entries keep accessed and dirty bits.</summary>
    SecondStageAccessedDirty = 64,

    /// <summary>Walks snoop the processor's caches, so that entries can be updated: PWSNP, on a unit that has ECAP.SMPWCS.</summary>
    WalksSnoop = 128,

    /// <summary>PGSNP: accesses to pages snoop, whatever the request says.</summary>
    PagesSnoop = 256,
}
