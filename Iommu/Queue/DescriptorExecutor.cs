using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Checks one descriptor of the invalidation queue and does what it asks for.</summary>
internal sealed class DescriptorExecutor(
    RegisterFile registers, PhysicalMemory memory, HardwareProfile profile, TranslationCaches caches, EventMessage completion)
{
    private static readonly Bits128 _contextReserved =
        Bits128.Mask(8, 6) | Bits128.Mask(15, 12) | Bits128.Mask(63, 50) | Bits128.Mask(127, 64);

    private static readonly Bits128 _iotlbReserved =
        Bits128.Mask(8, 8) | Bits128.Mask(15, 12) | Bits128.Mask(63, 32) | Bits128.Mask(75, 71);

    private static readonly Bits128 _deviceTlbReserved =
        Bits128.Mask(8, 4) | Bits128.Mask(31, 21) | Bits128.Mask(51, 48) | Bits128.Mask(75, 65);

    private readonly Bits128 _waitReserved =
        Bits128.Mask(8, 8) | Bits128.Mask(31, 12) | Bits128.Mask(65, 64)
        | (profile.ExtendedCapabilities.PageRequestDrain ? default : Bits128.Mask(7, 7));

    /// <summary>Carries a descriptor out.</summary>
    /// <param name="raw">Its bits; those above 128 are zero in a queue of narrow descriptors.</param>
    /// <param name="wide">Whether the queue has descriptors of 256 bits.</param>
    /// <returns>Why it was not carried out, or none.</returns>
    public InvalidationQueueError Execute(in Bits256 raw, bool wide)
    {
        Bits128 low = new(raw.Word0, raw.Word1);
        InvalidationDescriptor descriptor = new(low);
        InvalidationDescriptorType type = (InvalidationDescriptorType)((descriptor.TypeHigh << 4) | descriptor.TypeLow);
        if (!HasType(type, wide))
            return InvalidationQueueError.InvalidType;

        // The upper half of a wide descriptor is reserved in all types.
        if ((raw.Word2 | raw.Word3) != 0)
            return InvalidationQueueError.ReservedField;
        return type switch
        {
            InvalidationDescriptorType.ContextCache => Execute(new ContextCacheDescriptor(low)),
            InvalidationDescriptorType.Iotlb => Execute(new IotlbDescriptor(low)),
            InvalidationDescriptorType.DeviceTlb => low.Any(_deviceTlbReserved) ? InvalidationQueueError.ReservedField : default,
            _ => Execute(new WaitDescriptor(low)),
        };
    }

    // A type that the unit, the mode or the width does not have is no type.
    private bool HasType(InvalidationDescriptorType type, bool wide) => type switch
    {
        InvalidationDescriptorType.ContextCache or InvalidationDescriptorType.Iotlb or InvalidationDescriptorType.Wait => true,
        InvalidationDescriptorType.DeviceTlb => profile.ExtendedCapabilities.DeviceTlb,
        _ => false,
    };

    private InvalidationQueueError Execute(ContextCacheDescriptor descriptor)
    {
        if (descriptor.Raw.Any(_contextReserved) || descriptor.Granularity == ContextGranularity.Reserved)
            return InvalidationQueueError.ReservedField;
        caches.InvalidateContext(descriptor.Granularity, descriptor.DomainId, descriptor.Source, descriptor.FunctionMask);
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(IotlbDescriptor descriptor)
    {
        IotlbGranularity granularity = InvalidationRules.Performed(descriptor.Granularity, descriptor.AddressMask, profile);
        if (descriptor.Raw.Any(_iotlbReserved) || granularity == IotlbGranularity.Reserved)
            return InvalidationQueueError.ReservedField;
        caches.InvalidateIotlb(granularity, descriptor.DomainId, descriptor.Address, descriptor.AddressMask);
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(WaitDescriptor descriptor)
    {
        if (descriptor.Raw.Any(_waitReserved))
            return InvalidationQueueError.ReservedField;

        // The status is in memory before the event; where no memory answers, the write is lost like any posted write.
        if (descriptor.StatusWrite)
            _ = memory.TryWrite(descriptor.StatusAddress, descriptor.StatusData);
        if (descriptor.Interrupt)
            CompleteWithEvent();
        return InvalidationQueueError.None;
    }

    private void CompleteWithEvent()
    {
        InvalidationCompletionStatus status = new(new(registers[RegisterOffsets.InvalidationCompletionStatus]));
        if (status.WaitComplete)
            return;
        registers[RegisterOffsets.InvalidationCompletionStatus] = (status with { WaitComplete = true }).Raw.Value;
        completion.Raise();
    }
}
