using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The processes that share their address spaces with devices: a PASID leads from a device to a page table of the processor.</summary>
/// <remarks>
/// <code>
///   requester, PASID --> PASID entry --first stage--> the process's own page table --> memory
///                              `-----nested---------> the same, and then the domain of the requester
/// </code>
/// The first stage has the format of the processor's page tables, so that nothing is copied: what the process maps the
/// device can use, and what the process takes away must be invalidated, see <see cref="ProcessBinding.Invalidate"/>.
/// </remarks>
public sealed class ProcessSpaces
{
    private readonly RemappingDriver _driver;
    private readonly ScalableContexts _contexts;
    private readonly Dictionary<(SourceId Source, Pasid Pasid), ProcessBinding> _bindings = [];

    internal ProcessSpaces(RemappingDriver driver, ScalableContexts contexts) => (_driver, _contexts) = (driver, contexts);

    /// <summary>The bindings there are.</summary>
    public IReadOnlyCollection<ProcessBinding> Bindings => _bindings.Values;

    /// <summary>Whether the unit can have a first stage alone.</summary>
    public bool CanBind => _driver.Unit.Extended is { FirstStage: true, ProcessAddressSpaces: true };

    /// <summary>Whether the unit can have a first stage on top of a domain.</summary>
    public bool CanNest => _driver.Unit.Extended is { Nested: true, ProcessAddressSpaces: true };

    /// <summary>Lets the requests of a PASID use the page table of a process.</summary>
    /// <param name="source">The requester; it must be attached.</param>
    /// <param name="pasid">The PASID, from 1 on: 0 is for requests without one.</param>
    /// <param name="pageTable">The process's top table, of four levels; on top of a domain, an address of that domain.</param>
    /// <param name="options">What else is to be decided.</param>
    /// <returns>The binding, or why nothing changed: <see cref="DmaRefusal.Denied"/> where the unit cannot do it, <see cref="DmaRefusal.BadRange"/> for a PASID or a table that cannot be one, <see cref="DmaRefusal.StillMapped"/> where the PASID is bound, <see cref="DmaRefusal.Exhausted"/>.</returns>
    /// <exception cref="InvalidOperationException">The requester is not attached.</exception>
    public async ValueTask<(ProcessBinding? Binding, DmaRefusal Refusal)> Bind(SourceId source, Pasid pasid, GuestPhysicalAddress pageTable, ProcessOptions options)
    {
        PasidTables pasids = _contexts.PasidsOf(source);
        if (options.Host is null ? !CanBind : !CanNest || options.Host.Stage == TranslationStage.First)
            return (null, DmaRefusal.Denied);
        if (pasid.Value == 0 || pasid.Value >> Math.Min(pasids.Bits, _driver.Unit.Extended.PasidSizeCode + 1) != 0
            || pageTable.PageOffset != 0 || pageTable.Value >> (options.Host?.AddressBits ?? _driver.Options.HostAddressWidth) != 0)
        {
            return (null, DmaRefusal.BadRange);
        }

        if (_bindings.ContainsKey((source, pasid)))
            return (null, DmaRefusal.StillMapped);
        DomainId domain = default;
        if (options.Host is null && !_driver.TryTakeDomainId(out domain))
            return (null, DmaRefusal.Exhausted);
        ProcessBinding binding = new(this, source, pasid, options, options.Host?.Id ?? domain);
        if (!pasids.TrySet(pasid, EntryOf(binding, pageTable)))
        {
            if (options.Host is null)
                _driver.ReleaseDomainId(domain);
            return (null, DmaRefusal.Exhausted);
        }

        _bindings.Add((source, pasid), binding);

        // What was not present is cached by a unit with caching mode alone.
        if (_driver.Unit.Capability.CachingMode)
            await _driver.InvalidateFor(source, RequestOf(binding));
        else
            await _driver.FlushWriteBuffers();
        return (binding, DmaRefusal.None);
    }

    internal bool AnyNestedOn(RemappingDomain host) => _bindings.Values.Any(binding => binding.Options.Host == host);

    internal bool IsBound(SourceId source) => _bindings.Keys.Any(key => key.Source == source);

    internal async ValueTask Invalidate(ProcessBinding binding, Iova address, ulong length)
    {
        ulong first = address.Value >> 12;
        ulong last = (address.Value + (length - 1)) >> 12;
        int mask = 64 - System.Numerics.BitOperations.LeadingZeroCount(first ^ last);
        CapabilityRegister unit = _driver.Unit.Capability;
        bool isWhole = !unit.PageSelectiveInvalidation || mask > unit.MaximumAddressMask;
        await _driver.InvalidateFor(binding.Source, InvalidationRequest.OfPasidPages(
            binding.Domain,
            binding.Pasid,
            isWhole ? default : new(first >> mask << mask << 12),
            isWhole ? InvalidationRequest.WholeMask : mask));
    }

    internal async ValueTask Unbind(ProcessBinding binding)
    {
        if (binding.HasEnded)
            throw new InvalidOperationException($"PASID {binding.Pasid.Value} of {binding.Source} is not bound.");
        binding.HasEnded = true;

        // 1. The entry, then what is cached of it: PASID cache, IOTLB, device TLB.
        _contexts.PasidsOf(binding.Source).Clear(binding.Pasid);
        InvalidationRequest request = RequestOf(binding);
        await _driver.InvalidateFor(binding.Source, request);

        // 2. Page requests that are still under way, and what their answers may have made the device ask for.
        if (_driver.PageRequests is { } pageRequests)
            await pageRequests.Cease(binding.Source, binding.Pasid, () => _driver.InvalidateFor(binding.Source, request with { DrainsPageRequests = true }));
        if (!binding.IsNested)
            _driver.ReleaseDomainId(binding.Domain);

        // Only now can the PASID be somebody else's.
        _ = _bindings.Remove((binding.Source, binding.Pasid));
    }

    private static InvalidationRequest RequestOf(ProcessBinding binding) =>
        InvalidationRequest.OfPasid(binding.Domain, binding.Pasid, binding.IsNested);

    private PasidTableEntry EntryOf(ProcessBinding binding, GuestPhysicalAddress pageTable)
    {
        PasidTableEntry entry = new()
        {
            Present = true,
            TranslationType = PasidTranslationType.FirstStage,
            DomainId = binding.Domain,
            FirstStageTable = TableMemory.ForUnit(pageTable),
            PageWalkSnoop = _driver.Unit.Extended.ScalableWalkCoherency,
            NoExecuteEnabled = true,

            // As the processor has it for its own accesses: read-only is read-only for the system too.
            SupervisorRequestsEnabled = binding.Options.AllowsSupervisor && _driver.Unit.Extended.SupervisorRequests,
            WriteProtectEnabled = binding.Options.AllowsSupervisor,
        };
        return binding.Options.Host is not { } host ? entry : entry with
        {
            TranslationType = PasidTranslationType.Nested,
            SecondStageTable = TableMemory.ForUnit(host.Root),
            AddressWidth = host.Width,

            // What the process writes is written through the host's tables as well.
            SecondStageAccessedDirty = host.HasDirtyBits,
        };
    }
}
