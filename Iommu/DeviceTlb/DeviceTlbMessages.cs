using System.Numerics;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What software's descriptors say to device TLBs, as messages on the bus.</summary>
internal static class DeviceTlbMessages
{
    /// <summary>An invalidation for requests without PASID.</summary>
    public static DeviceTlbInvalidation Of(DeviceTlbDescriptor descriptor)
    {
        (Iova address, int shift) = Range(descriptor.Address, descriptor.Size);
        return new(address, shift, null, false, descriptor.PhysicalFunction, descriptor.MaximumPending);
    }

    /// <summary>An invalidation for requests with PASID.</summary>
    public static DeviceTlbInvalidation Of(PasidDeviceTlbDescriptor descriptor)
    {
        (Iova address, int shift) = Range(descriptor.Address, descriptor.Size);
        return new(address, shift, descriptor.Pasid, descriptor.Global, descriptor.PhysicalFunction, descriptor.MaximumPending);
    }

    /// <summary>An answer to a group of page requests.</summary>
    public static PageGroupResponse Of(PageGroupResponseDescriptor descriptor) =>
        new(descriptor.Group, descriptor.PasidPresent ? descriptor.Pasid : null, descriptor.Code);

    // With S, k ones from bit 12 up and a zero above them: 2^(13 + k) bytes. All ones below bit 63 are everything.
    private static (Iova Address, int Shift) Range(Iova address, bool size)
    {
        if (!size)
            return (address, 12);
        int shift = Math.Min(64, 13 + BitOperations.TrailingZeroCount(~(address.Value >> 12)));
        return (new(shift == 64 ? 0 : address.Value >> shift << shift), shift);
    }
}
