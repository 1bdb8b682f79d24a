using System.Runtime.CompilerServices;

namespace Dma.Iommu;

/// <summary>What a cached translation is found by, in one quadword.</summary>
/// <remarks>
/// <code>
///  63          47 46  45 44                                   0
/// +--------------+------+--------------------------------------+
/// |    tenant    | level| page number of the input, at level   |
/// +--------------+------+--------------------------------------+
/// </code>
/// Addresses have at most 57 bits that differ. No tenant has number 0, so that zero is no tag.
/// </remarks>
internal static class IotlbTag
{
    /// <summary>How many tenants there can be at a time, with the one that is none.</summary>
    public const int TenantsMax = 1 << 17;

    /// <summary>How many bits a page number has.</summary>
    public const int PageBits = 45;

    /// <summary>The bits of the page number.</summary>
    public const ulong PageMask = (1ul << PageBits) - 1;
    private const int LevelShift = PageBits;
    private const int TenantShift = 47;

    /// <summary>The bits of a tenant's number.</summary>
    public static ulong Tenant(int number) => (ulong)number << TenantShift;

    /// <summary>The number of the tenant.</summary>
    public static int TenantOf(ulong tag) => (int)(tag >> TenantShift);

    /// <summary>Page and level without a tenant.</summary>
    /// <param name="page">The page number of the input, at the level.</param>
    /// <param name="level">The level of the entry that maps the page: 1, 2 or 3.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Place(ulong page, int level) => (page & PageMask) | ((ulong)level << LevelShift);

    /// <summary>Page and level of a tag.</summary>
    public static ulong PlaceOf(ulong tag) => tag & ((1ul << TenantShift) - 1);

    /// <summary>The page number of a tag.</summary>
    public static ulong PageOf(ulong tag) => tag & PageMask;
}
