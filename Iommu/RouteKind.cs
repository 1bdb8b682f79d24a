namespace Dma.Iommu;

/// <summary>How the untranslated requests of a requester are served.</summary>
public enum RouteKind
{
    /// <summary>Never looked for.</summary>
    None = 0,

    /// <summary>Translation is off: addresses are memory addresses.</summary>
    Untranslated,

    /// <summary>All are refused.</summary>
    Blocked,

    /// <summary>An entry lets them pass untranslated.</summary>
    PassThrough,

    /// <summary>By second-stage tables.</summary>
    SecondStage,

    /// <summary>By first-stage tables.</summary>
    FirstStage,

    /// <summary>By first-stage tables, and what they lead to by second-stage tables.</summary>
    Nested,
}
