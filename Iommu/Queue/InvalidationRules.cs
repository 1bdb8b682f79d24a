using Dma.Iommu.Spec;

namespace Dma.Iommu;

/// <summary>What a unit makes of a request to invalidate, by register or by queue.</summary>
internal static class InvalidationRules
{
    /// <summary>How much of the IOTLB is invalidated; never less than asked for.</summary>
    /// <param name="requested">How much was asked for.</param>
    /// <param name="addressMask">The AM field, which counts for pages only.</param>
    /// <param name="profile">The unit.</param>
    /// <returns><see cref="IotlbGranularity.Reserved"/> where the request is incorrect.</returns>
    public static IotlbGranularity Performed(IotlbGranularity requested, int addressMask, HardwareProfile profile)
    {
        if (requested != IotlbGranularity.Page)
            return requested;

        // A unit without page-selective invalidation does more than it is asked for: the whole domain.
        if (!profile.Capabilities.PageSelectiveInvalidation)
            return IotlbGranularity.Domain;
        return addressMask <= profile.Capabilities.MaximumAddressMask ? requested : IotlbGranularity.Reserved;
    }

    /// <summary>How much of the translations of a PASID is invalidated; never less than asked for.</summary>
    /// <param name="requested">How much was asked for.</param>
    /// <param name="addressMask">The AM field, which counts for pages only.</param>
    /// <param name="profile">The unit.</param>
    /// <param name="performed">How much is invalidated.</param>
    /// <returns><c>false</c> where the request is incorrect.</returns>
    public static bool TryPerform(PasidIotlbGranularity requested, int addressMask, HardwareProfile profile, out PasidIotlbGranularity performed)
    {
        performed = profile.Capabilities.PageSelectiveInvalidation ? requested : PasidIotlbGranularity.Pasid;
        return requested == PasidIotlbGranularity.Pasid
            || (requested == PasidIotlbGranularity.Page
                && (performed == PasidIotlbGranularity.Pasid || addressMask <= profile.Capabilities.MaximumAddressMask));
    }
}
