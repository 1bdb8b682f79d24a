namespace Dma.Hal.Spec;

/// <summary>What an entry of a grant table grants (Xen, grant table version 1).</summary>
public enum GrantType
{
    /// <summary>Nothing.</summary>
    Invalid = 0,

    /// <summary>Access to a page.</summary>
    PermitAccess = 1,

    /// <summary>The other side may hand a page over; not supported here.</summary>
    AcceptTransfer = 2,

    /// <summary>Access by way of another grant; not supported here.</summary>
    Transitive = 3,
}
