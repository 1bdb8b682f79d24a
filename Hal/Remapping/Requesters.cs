using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The requesters that are attached, and the ways in and out.</summary>
/// <param name="driver">Who drives the unit.</param>
/// <param name="contexts">Its tables of requesters.</param>
internal sealed class Requesters(RemappingDriver driver, IContextTables contexts)
{
    private readonly Dictionary<SourceId, Attachment> _attached = [];
    private readonly Gate _gate = new();
    private DomainId? _passThroughId;

    /// <inheritdoc cref="RemappingDriver.Quarantined"/>
    public IEnumerable<SourceId> Quarantined => _attached.Where(attached => attached.Value.IsQuarantined).Select(attached => attached.Key);

    /// <summary>What is known of a requester; null where it is not attached.</summary>
    public Attachment? Find(SourceId source) => _attached.GetValueOrDefault(source);

    /// <inheritdoc cref="RemappingDriver.Attach"/>
    public async ValueTask<DmaRefusal> Attach(SourceId source, RemappingDomain domain, DeviceTlbControl? control)
    {
        DmaRefusal refusal = await Attach(source, new RequesterEntry(domain.Id, domain, control is not null), control);
        if (refusal != DmaRefusal.None || control is null)
            return refusal;

        // The unit answers the device before the device asks, and the device is told of changes before it knows anything.
        domain.Add(new(source, control));
        control.Enable();
        return DmaRefusal.None;
    }

    /// <inheritdoc cref="RemappingDriver.AttachPassThrough"/>
    public ValueTask<DmaRefusal> AttachPassThrough(SourceId source)
    {
        if (_passThroughId is null)
        {
            if (!driver.TryTakeDomainId(out DomainId id))
                return new(DmaRefusal.Exhausted);
            _passThroughId = id;
        }

        return Attach(source, new RequesterEntry(_passThroughId.Value, Space: null, TranslatesItself: false), control: null);
    }

    /// <inheritdoc cref="RemappingDriver.Detach"/>
    public async ValueTask Detach(SourceId source)
    {
        if (driver.Processes?.IsBound(source) == true || driver.PageRequests?.IsServed(source) == true)
            throw new InvalidOperationException($"The requester {source} still shares address spaces, or is served with pages.");
        if (!_attached.TryGetValue(source, out Attachment? attachment))
            throw new InvalidOperationException($"The requester {source} is not attached.");
        await TakeAll(source, attachment);
        contexts.Release(source);
        if (_attached.Remove(source))
            attachment.Domain?.Attached -= 1;
    }

    /// <summary>Takes everything from a requester that did not answer; it stays attached by name until it is detached.</summary>
    /// <returns><c>false</c> where it has nothing any more.</returns>
    public async ValueTask<bool> TryQuarantine(SourceId source)
    {
        if (!_attached.TryGetValue(source, out Attachment? attachment) || attachment.IsQuarantined)
            return false;
        attachment.IsQuarantined = true;
        await TakeAll(source, attachment);
        return true;
    }

    /// <inheritdoc cref="RemappingDriver.InvalidateFor"/>
    public async ValueTask Invalidate(SourceId source, InvalidationRequest request)
    {
        DeviceTlbTarget? device = _attached.TryGetValue(source, out Attachment? attachment) && attachment is { Control: { IsEnabled: true } control, IsQuarantined: false }
            ? new(source, control)
            : null;
        if (await driver.Invalidator.Invalidate(request, device is { } target ? [target] : null) is not null)
            await driver.Quarantine(source);
    }

    /// <summary>No device translates for itself any more.</summary>
    public void DisableDeviceTlbs()
    {
        foreach (Attachment attachment in _attached.Values)
            attachment.Control?.Disable();
    }

    /// <summary>None is attached any more; the unit is off.</summary>
    public void Clear() => _attached.Clear();

    private async ValueTask<DmaRefusal> Attach(SourceId source, RequesterEntry entry, DeviceTlbControl? control)
    {
        RemappingDomain? domain = entry.Space;
        if (!_attached.TryAdd(source, new(entry.Domain, domain, control)))
            throw new InvalidOperationException($"The requester {source} is attached already.");
        domain?.Attached += 1;
        await _gate.Enter();
        try
        {
            if (!contexts.TrySet(source, entry, out bool isNewBus))
            {
                domain?.Attached -= 1;
                _attached.Remove(source);
                return DmaRefusal.Exhausted;
            }

            // A cached entry that is not present is tagged with domain-id 0.
            if (!driver.Unit.Capability.CachingMode)
                await driver.FlushWriteBuffers();
            else if (isNewBus)
                await driver.Invalidator.Invalidate(InvalidationRequest.OfBus(entry.Domain));
            else
                await driver.Invalidator.Invalidate(InvalidationRequest.OfDevice(source, new(0), entry.Domain));
            if (domain is not null)
                await domain.AddRequester(source);
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }

    // The way of attaching, backwards. Nothing is asked of a device that is known not to answer.
    private async ValueTask TakeAll(SourceId source, Attachment attachment)
    {
        await _gate.Enter();
        try
        {
            if (attachment.Control is { IsEnabled: true } control)
            {
                // 1. What is under way by its own translations ends. 2. It knows none any more, and asks for none.
                if (!attachment.IsQuarantined)
                    _ = await driver.Invalidator.Invalidate(InvalidationRequest.OfDomain(attachment.DomainId), [new(source, control)]);
                control.Disable();
            }

            // 3. Neither does the unit, whatever the device does.
            attachment.Domain?.Remove(source);
            contexts.Clear(source);
            await driver.Invalidator.Invalidate(InvalidationRequest.OfDevice(source, attachment.DomainId, attachment.DomainId));
        }
        finally
        {
            _gate.Leave();
        }
    }
}
