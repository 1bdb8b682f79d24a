using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a service VM has of one guest: granted pages, in its memory map, in the domain of its devices, or both, at addresses of its window.</summary>
/// <remarks>A page is pinned from before the first can reach it until after the last cannot.</remarks>
/// <param name="service">The service VM.</param>
/// <param name="grants">The grants of the guest.</param>
/// <param name="window">Addresses where the service VM has nothing of its own.</param>
internal sealed class GrantMaps(VirtualMachine service, IGrants grants, FrameAllocator window)
{
    private const ulong PageBytes = SharedRing.PageBytes;

    private readonly Dictionary<GuestPhysicalAddress, Mapping> _mappings = [];
    private readonly Gate _gate = new();
    private readonly Stack<Mapping> _spare = new();
    private readonly List<GrantedPage> _copied = [];
    private readonly byte[] _piece = new byte[SharedRing.PageBytes];
    private bool _isClosed;

    /// <summary>How many pages are mapped.</summary>
    public int Pages { get; private set; }

    /// <summary>Answers <see cref="Hypercall.MapGrants"/>; flags and list are judged.</summary>
    public async ValueTask<HypercallResult> Map(ReadOnlyMemory<UrbSegment> segments, GrantMapFlags flags)
    {
        await _gate.Enter();
        try
        {
            Mapping mapping = TakeMapping(isOwned: true);
            if (!_isClosed && TryTake(segments.Span, (flags & GrantMapFlags.ReadOnly) == 0, mapping.Pages))
                return await Place(mapping, flags);
            _spare.Push(mapping);
            return new(DmaRefusal.NotMapped, 0);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Maps pages that follow each other by their numbers for devices; the range is judged.</summary>
    /// <param name="start">The first byte, in the page whose number is that of the first grant.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="direction">What devices may do.</param>
    /// <returns>The device address of the first byte.</returns>
    public async ValueTask<HypercallResult> MapRange(GuestPhysicalAddress start, int length, DmaDirection direction)
    {
        await _gate.Enter();
        try
        {
            bool isWritten = direction != DmaDirection.ToDevice;
            ulong last = (start + (ulong)(length - 1)).Page;
            Mapping mapping = TakeMapping(isOwned: true);
            for (ulong page = start.Page; !_isClosed && page <= last && grants.TryTake((uint)page, isWritten, out GrantedPage taken); page++)
                mapping.Pages.Add(taken);
            if ((ulong)mapping.Pages.Count != last - start.Page + 1)
            {
                Return(mapping);
                return new(_isClosed ? DmaRefusal.NotMapped : DmaRefusal.Exhausted, 0);
            }

            HypercallResult mapped = await Place(mapping, isWritten ? GrantMapFlags.Device : GrantMapFlags.Device | GrantMapFlags.ReadOnly);
            return mapped with { Value = mapped.Refusal == DmaRefusal.None ? mapped.Value + (ulong)start.PageOffset : 0 };
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Maps the pages of the rings, which are in use already.</summary>
    public async ValueTask<HypercallResult> MapRings(FrontEndRings rings)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return new(DmaRefusal.NotMapped, 0);
            Mapping mapping = TakeMapping(isOwned: false);
            mapping.Pages.Add(rings.Requests);
            mapping.Pages.Add(rings.Plugs);
            return await Place(mapping, GrantMapFlags.Host);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Answers <see cref="Hypercall.UnmapGrants"/>.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<DmaRefusal> Unmap(GuestPhysicalAddress address)
    {
        await _gate.Enter();
        try
        {
            if (!_mappings.TryGetValue(address, out Mapping? mapping) || !mapping.IsOwned)
                return DmaRefusal.NotMapped;
            await Remove(mapping);
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Answers <see cref="Hypercall.CopyGrants"/>; the list is judged.</summary>
    public DmaRefusal Copy(ReadOnlySpan<UrbSegment> segments, bool isWritten, GuestPhysicalAddress own, out int bytes)
    {
        if (!UrbRules.TryMeasure(segments, out bytes) || !service.Memory.Contains(own, (ulong)bytes))
            return DmaRefusal.BadRange;
        if (_isClosed || !TryTake(segments, isWritten, _copied))
            return DmaRefusal.NotMapped;
        for (int index = 0; index < segments.Length; index++)
        {
            Span<byte> moved = _piece.AsSpan(0, segments[index].Length);
            PhysicalAddress granted = _copied[index].Frame + segments[index].Offset;
            _ = isWritten ? service.Cpu.TryRead(own, moved) && service.Host.Memory.TryWrite(granted, moved)
                : service.Host.Memory.TryRead(granted, moved) && service.Cpu.TryWrite(own, moved);
            own += segments[index].Length;
        }

        foreach (GrantedPage page in _copied)
            grants.Return(page);
        _copied.Clear();
        service.Cpu.Processor.Charge(Cost.Copy);
        service.Cpu.Processor.Charge(Cost.CopiedByte, (ulong)bytes);
        return DmaRefusal.None;
    }

    /// <summary>Takes everything back; later calls are refused.</summary>
    public async ValueTask Close()
    {
        await _gate.Enter();
        _isClosed = true;
        foreach (Mapping mapping in _mappings.Values.ToArray())
            await Remove(mapping);
        _gate.Leave();
    }

    // What is mapped over and over takes no new memory.
    private Mapping TakeMapping(bool isOwned)
    {
        Mapping mapping = _spare.TryPop(out Mapping? spare) ? spare : new();
        mapping.IsOwned = isOwned;
        return mapping;
    }

    // All or nothing.
    private bool TryTake(ReadOnlySpan<UrbSegment> segments, bool isWritten, List<GrantedPage> pages)
    {
        foreach (UrbSegment segment in segments)
        {
            if (grants.TryTake(segment.Grant, isWritten, out GrantedPage page))
            {
                pages.Add(page);
                continue;
            }

            foreach (GrantedPage taken in pages)
                grants.Return(taken);
            pages.Clear();
            return false;
        }

        return true;
    }

    private async ValueTask<HypercallResult> Place(Mapping mapping, GrantMapFlags flags)
    {
        if (!window.TryAllocate((ulong)mapping.Pages.Count, PageBytes, out GuestPhysicalAddress first))
        {
            Return(mapping);
            return new(DmaRefusal.Exhausted, 0);
        }

        mapping.First = first;
        Pages += mapping.Pages.Count;
        _mappings.Add(first, mapping);
        if (TryMapForProcessor(mapping, flags) && await TryMapForDevices(mapping, flags))
            return new(DmaRefusal.None, first.Value);
        await Remove(mapping);
        return new(DmaRefusal.Exhausted, 0);
    }

    private bool TryMapForProcessor(Mapping mapping, GrantMapFlags flags)
    {
        EptRights rights = (flags & GrantMapFlags.ReadOnly) != 0 ? EptRights.Read : EptRights.ReadWrite;
        for (int index = 0; index < mapping.Pages.Count && (flags & GrantMapFlags.Host) != 0; index++)
        {
            if (!service.Memory.Tables.TryMap(mapping.AddressOf(index), mapping.Pages[index].Frame, FrameSize.Page4K, rights, EptMemoryType.WriteBack))
                return false;
        }

        return true;
    }

    private async ValueTask<bool> TryMapForDevices(Mapping mapping, GrantMapFlags flags)
    {
        if ((flags & GrantMapFlags.Device) == 0)
            return true;
        DmaDirection direction = (flags & GrantMapFlags.ReadOnly) != 0 ? DmaDirection.ToDevice : DmaDirection.Bidirectional;
        for (int device = 0; device < service.Devices.Count; device++)
        {
            if (service.Devices[device].Domain is { } domain && !mapping.Reaches(domain) && !await TryMapIn(domain, mapping, direction))
                return false;
        }

        return true;
    }

    private static async ValueTask<bool> TryMapIn(RemappingDomain domain, Mapping mapping, DmaDirection direction)
    {
        for (int page = 0; page < mapping.Pages.Count; page++)
        {
            if (await domain.Map(new(mapping.AddressOf(page).Value), new(mapping.Pages[page].Frame.Value), PageBytes, direction) != DmaRefusal.None)
            {
                mapping.Domains.Add((domain, page));
                return false;
            }
        }

        mapping.Domains.Add((domain, mapping.Pages.Count));
        return true;
    }

    // Devices first, then the processor, then whose page it is.
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask Remove(Mapping mapping)
    {
        _ = _mappings.Remove(mapping.First);
        foreach ((RemappingDomain domain, int reached) in mapping.Domains)
        {
            if (domain.IsReleased || reached == 0)
                continue;
            DmaRefusal refusal = await domain.Unmap(new(mapping.First.Value), (ulong)reached * PageBytes);
            if (refusal != DmaRefusal.None)
                throw new InvalidOperationException($"What was mapped at {mapping.First} cannot be unmapped: {refusal}.");
        }

        for (int index = 0; index < mapping.Pages.Count; index++)
            service.Memory.Tables.Remove(mapping.AddressOf(index), mapping.Pages[index].Frame, FrameSize.Page4K);
        Pages -= mapping.Pages.Count;
        window.Free(mapping.First, (ulong)mapping.Pages.Count);
        Return(mapping);
    }

    private void Return(Mapping mapping)
    {
        for (int index = 0; index < mapping.Pages.Count && mapping.IsOwned; index++)
            grants.Return(mapping.Pages[index]);
        mapping.Pages.Clear();
        mapping.Domains.Clear();
        _spare.Push(mapping);
    }

    /// <summary>Pages that are mapped together.</summary>
    private sealed class Mapping
    {
        /// <summary>Where the first one is.</summary>
        public GuestPhysicalAddress First { get; set; }

        /// <summary>Whether their grants are given back at the end.</summary>
        public bool IsOwned { get; set; }

        /// <summary>The pages.</summary>
        public List<GrantedPage> Pages { get; } = [];

        /// <summary>Domains, and how many of the pages are in each.</summary>
        public List<(RemappingDomain Domain, int Pages)> Domains { get; } = [];

        /// <summary>Whether pages are in a domain.</summary>
        public bool Reaches(RemappingDomain domain)
        {
            foreach ((RemappingDomain reached, _) in Domains)
            {
                if (reached == domain)
                    return true;
            }

            return false;
        }

        /// <summary>Where a page is.</summary>
        public GuestPhysicalAddress AddressOf(int index) => First + ((ulong)index * PageBytes);
    }
}
