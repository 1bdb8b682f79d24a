using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Which descriptors a unit takes, and which of their bits it insists on being zero.</summary>
internal sealed class DescriptorRules
{
    private readonly HardwareProfile _profile;
    private readonly Bits128[] _reserved = new Bits128[16];

    public DescriptorRules(HardwareProfile profile)
    {
        _profile = profile;
        Reserve(InvalidationDescriptorType.ContextCache, (8, 6), (15, 12), (63, 50), (127, 64));
        Reserve(InvalidationDescriptorType.Iotlb, (8, 8), (15, 12), (63, 32), (75, 71));
        Reserve(InvalidationDescriptorType.DeviceTlb, (8, 4), (31, 21), (51, 48), (75, 65));
        Reserve(InvalidationDescriptorType.InterruptEntryCache, (8, 5), (26, 12), (63, 48), (127, 64));
        Reserve(InvalidationDescriptorType.Wait, (8, 8), (31, 12), (65, 64));
        Reserve(InvalidationDescriptorType.PasidIotlb, (8, 6), (15, 12), (63, 52), (75, 71));
        Reserve(InvalidationDescriptorType.PasidCache, (8, 6), (15, 12), (63, 52), (127, 64));
        Reserve(InvalidationDescriptorType.PasidDeviceTlb, (74, 65));
        Reserve(InvalidationDescriptorType.PageGroupResponse, (8, 5), (63, 52), (65, 64), (127, 76));
        if (!profile.ExtendedCapabilities.PageRequestDrain)
            Reserve(InvalidationDescriptorType.Wait, (7, 7));
    }

    /// <summary>Whether there is anything wrong with a descriptor, whatever its fields ask for.</summary>
    /// <param name="raw">Its bits; those above 128 are zero in a queue of narrow descriptors.</param>
    /// <param name="wide">Whether the queue has descriptors of 256 bits.</param>
    /// <param name="type">Its type, if it is valid.</param>
    public InvalidationQueueError Check(in Bits256 raw, bool wide, out InvalidationDescriptorType type)
    {
        Bits128 low = new(raw.Word0, raw.Word1);
        InvalidationDescriptor descriptor = new(low);
        type = (InvalidationDescriptorType)((descriptor.TypeHigh << 4) | descriptor.TypeLow);
        if (!Has(type, wide))
            return InvalidationQueueError.InvalidType;

        // The upper half of a wide descriptor is reserved in all types.
        return (raw.Word2 | raw.Word3) != 0 || low.Any(_reserved[(int)type])
            ? InvalidationQueueError.ReservedField
            : InvalidationQueueError.None;
    }

    // A type that the unit or the width of the queue does not have is no type.
    private bool Has(InvalidationDescriptorType type, bool wide)
    {
        ExtendedCapabilityRegister has = _profile.ExtendedCapabilities;
        return type switch
        {
            InvalidationDescriptorType.ContextCache or InvalidationDescriptorType.Iotlb or InvalidationDescriptorType.Wait => true,
            InvalidationDescriptorType.DeviceTlb => has.DeviceTlb,
            InvalidationDescriptorType.InterruptEntryCache => has.InterruptRemapping,
            InvalidationDescriptorType.PasidIotlb or InvalidationDescriptorType.PasidCache => wide && has.ScalableMode,
            InvalidationDescriptorType.PasidDeviceTlb => wide && has.ScalableMode && has.DeviceTlb,
            InvalidationDescriptorType.PageGroupResponse => wide && has.PageRequests,
            _ => false,
        };
    }

    private void Reserve(InvalidationDescriptorType type, params ReadOnlySpan<(int High, int Low)> fields)
    {
        foreach ((int high, int low) in fields)
            _reserved[(int)type] |= Bits128.Mask(high, low);
    }
}
