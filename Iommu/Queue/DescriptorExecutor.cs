using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Checks one descriptor of the invalidation queue and does what it asks for.</summary>
internal sealed class DescriptorExecutor(
    RegisterFile registers, PhysicalMemory memory, HardwareProfile profile, TranslationCaches caches, DeviceTlbs devices, EventMessage completion)
{
    private readonly DescriptorRules _rules = new(profile);

    /// <summary>How many waits can be under way at a time.</summary>
    public const int WaitsMax = 64;

    // Waits for devices, oldest first, each with the number of the last invalidation that it waits for.
    private readonly Queue<(WaitDescriptor Wait, ulong Number, ulong Followed)> _waits = new(WaitsMax);
    private bool _isFenced;

    /// <summary>Who must have followed what was invalidated before a wait completes, besides devices.</summary>
    public FollowedInvalidations Followed { get; } = new();

    /// <summary>Whether something that was invalidated is not yet forgotten everywhere.</summary>
    public bool AnyOutstanding => devices.AnyOutstanding || Followed.AnyOutstanding;

    /// <summary>Whether the descriptor carried out last has to be fetched again: a device takes no more for now.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>Whether nothing more can be carried out before a device answers.</summary>
    public bool IsStalled => IsHeld || _isFenced || _waits.Count == WaitsMax;

    /// <summary>A device answered: waits that have nothing left to wait for complete, in order.</summary>
    public void Settle()
    {
        IsHeld = false;
        while (_waits.TryPeek(out (WaitDescriptor Wait, ulong Number, ulong Followed) oldest)
            && oldest.Number < devices.Oldest && oldest.Followed <= Followed.Done)
        {
            _ = _waits.Dequeue();
            _isFenced &= _waits.Count != 0;
            Complete(oldest.Wait);
        }
    }

    /// <summary>The time of a device is up: all waits are aborted, with no status and no event.</summary>
    public void Abort()
    {
        IsHeld = _isFenced = false;
        _waits.Clear();
    }

    /// <summary>Carries a descriptor out.</summary>
    /// <param name="raw">Its bits; those above 128 are zero in a queue of narrow descriptors.</param>
    /// <param name="wide">Whether the queue has descriptors of 256 bits.</param>
    /// <returns>Why it was not carried out, or none.</returns>
    public InvalidationQueueError Execute(in Bits256 raw, bool wide)
    {
        InvalidationQueueError error = _rules.Check(raw, wide, out InvalidationDescriptorType type);
        if (error != InvalidationQueueError.None)
            return error;
        Bits128 low = new(raw.Word0, raw.Word1);
        return type switch
        {
            InvalidationDescriptorType.ContextCache => Execute(new ContextCacheDescriptor(low)),
            InvalidationDescriptorType.Iotlb => Execute(new IotlbDescriptor(low)),
            InvalidationDescriptorType.DeviceTlb => Execute(new DeviceTlbDescriptor(low)),
            InvalidationDescriptorType.InterruptEntryCache => Execute(new InterruptEntryCacheDescriptor(low)),
            InvalidationDescriptorType.PasidIotlb => Execute(new PasidIotlbDescriptor(low)),
            InvalidationDescriptorType.PasidCache => Execute(new PasidCacheDescriptor(low)),
            InvalidationDescriptorType.PasidDeviceTlb => Execute(new PasidDeviceTlbDescriptor(low)),
            InvalidationDescriptorType.PageGroupResponse => Execute(new PageGroupResponseDescriptor(low)),
            _ => Execute(new WaitDescriptor(low)),
        };
    }

    private InvalidationQueueError Execute(ContextCacheDescriptor descriptor)
    {
        if (descriptor.Granularity == ContextGranularity.Reserved)
            return InvalidationQueueError.ReservedField;
        caches.InvalidateContext(descriptor.Granularity, descriptor.DomainId, descriptor.Source, descriptor.FunctionMask);
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(IotlbDescriptor descriptor)
    {
        IotlbGranularity granularity = InvalidationRules.Performed(descriptor.Granularity, descriptor.AddressMask, profile);
        if (granularity == IotlbGranularity.Reserved)
            return InvalidationQueueError.ReservedField;
        caches.InvalidateIotlb(granularity, descriptor.DomainId, new(descriptor.Address, descriptor.AddressMask, descriptor.Hint));
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(PasidIotlbDescriptor descriptor)
    {
        if (!InvalidationRules.TryPerform(descriptor.Granularity, descriptor.AddressMask, profile, out PasidIotlbGranularity granularity))
            return InvalidationQueueError.ReservedField;
        caches.InvalidatePasidIotlb(granularity, descriptor.DomainId, descriptor.Pasid, new(descriptor.Address, descriptor.AddressMask, descriptor.Hint));
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(PasidCacheDescriptor descriptor)
    {
        if (descriptor.Granularity == PasidCacheGranularity.Reserved)
            return InvalidationQueueError.ReservedField;
        caches.InvalidatePasids(descriptor.Granularity, descriptor.DomainId, descriptor.Pasid);
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(DeviceTlbDescriptor descriptor)
    {
        IsHeld = !devices.TryInvalidate(descriptor.Source, DeviceTlbMessages.Of(descriptor));
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(PasidDeviceTlbDescriptor descriptor)
    {
        IsHeld = !devices.TryInvalidate(descriptor.Source, DeviceTlbMessages.Of(descriptor));
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(PageGroupResponseDescriptor descriptor)
    {
        devices.Respond(descriptor.Requester, DeviceTlbMessages.Of(descriptor));
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(InterruptEntryCacheDescriptor descriptor)
    {
        if (!descriptor.IndexSelective)
        {
            caches.InvalidateInterruptEntries(0, InterruptTableAddress.EntriesMax);
            return InvalidationQueueError.None;
        }

        if (descriptor.IndexMask > profile.ExtendedCapabilities.MaximumHandleMask)
            return InvalidationQueueError.ReservedField;
        int first = descriptor.Index >> descriptor.IndexMask << descriptor.IndexMask;
        caches.InvalidateInterruptEntries(first, 1 << descriptor.IndexMask);
        return InvalidationQueueError.None;
    }

    private InvalidationQueueError Execute(WaitDescriptor descriptor)
    {
        // PD asks for nothing more: a page request is in the queue, or answered, before the device's call returns.
        // With a fence, nothing that follows is begun before it completes: so a fence is the last one that waits.
        if (!AnyOutstanding)
        {
            Complete(descriptor);
            return InvalidationQueueError.None;
        }

        _waits.Enqueue((descriptor, devices.Sent, Followed.Begun));
        _isFenced = descriptor.Fence;
        return InvalidationQueueError.None;
    }

    private void Complete(WaitDescriptor descriptor)
    {
        // The status is in memory before the event; where no memory answers, the write is lost like any posted write.
        if (descriptor.StatusWrite)
            _ = memory.TryWrite(descriptor.StatusAddress, descriptor.StatusData);
        if (descriptor.Interrupt)
            CompleteWithEvent();
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
