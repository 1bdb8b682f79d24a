using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The paging tables behind a context or PASID entry: what makes a domain of its own.</summary>
/// <param name="Stage">Which stages translate; not pass-through.</param>
/// <param name="Root">The top table; of the first stage where there is one.</param>
/// <param name="Levels">How many levels those tables have.</param>
/// <param name="SecondRoot">Where translation is nested: the top table of the second stage.</param>
/// <param name="SecondLevels">Where translation is nested: how many levels the second stage has.</param>
/// <param name="NoExecute">First stage: NXE.</param>
/// <param name="SupervisorRequests">First stage: SRE.</param>
/// <param name="WriteProtect">First stage: WPE.</param>
public readonly record struct AuditedTables(
    PasidTranslationType Stage,
    PhysicalAddress Root,
    int Levels,
    PhysicalAddress SecondRoot = default,
    int SecondLevels = 0,
    bool NoExecute = false,
    bool SupervisorRequests = false,
    bool WriteProtect = false)
{
    /// <summary>Whether some request may write where the tables grant these rights.</summary>
    public bool Writable(MappingRights rights)
    {
        bool write = (rights & MappingRights.Write) != 0;
        if (Stage == PasidTranslationType.SecondStage)
            return write;
        bool user = (rights & MappingRights.User) != 0;
        return (write && user) || (SupervisorRequests && (write || !WriteProtect));
    }
}
