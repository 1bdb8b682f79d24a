using Dma.Iommu.Spec;
using Dma.Machine;

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

    /// <summary>The requesters that a device-selective invalidation names.</summary>
    /// <param name="source">The requester in the command.</param>
    /// <param name="functionMask">0 to 3: how many of the bits 2:0 of the requester do not matter, from bit 2 down.</param>
    public static IEnumerable<SourceId> Functions(SourceId source, int functionMask)
    {
        // 0: the function alone; 1: bit 2 does not matter; 2: bits 2:1; 3: bits 2:0.
        int ignored = functionMask switch { 0 => 0, 1 => 4, 2 => 6, _ => 7 };
        for (int function = 0; function < 8; function++)
        {
            if (((function ^ source.Function) & ~ignored) == 0)
                yield return new(source.Bus, source.Device, function);
        }
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
