namespace Dma.Iommu;

/// <summary>When a walk of the second stage checks rights: the manual's prose and what implementations do differ.</summary>
public enum RightsOrder
{
    /// <summary>The walk goes to the page, checks reserved bits all the way, and only then the rights of all entries together.</summary>
    AfterTheWalk = 0,

    /// <summary>Each entry must grant the wanted right before its reserved bits are looked at.</summary>
    AtEachLevel,
}
