namespace Dma.Iommu;

/// <summary>Why two functions cannot be kept apart.</summary>
public enum GroupReason
{
    /// <summary>Never set.</summary>
    None = 0,

    /// <summary>A bridge to a conventional bus gives all requests from below its own name: no table can tell them apart.</summary>
    SharedRequester,

    /// <summary>A port may turn a request from below back to something else below, which the remapping unit never sees.</summary>
    TurnedBack,

    /// <summary>A downstream port may hand a request straight on to another port of its switch.</summary>
    PassedToPort,

    /// <summary>Functions of one device may reach each other inside it.</summary>
    SeveralFunctions,

    /// <summary>What reaches a bridge from above reaches all that is below it.</summary>
    ReachedFromAbove,
}
