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
    private bool _isClosed;

    /// <summary>How many pages are mapped.</summary>
    public int Pages { get; private set; }

    /// <summary>Answers <see cref="Hypercall.MapGrants"/>; flags and list are judged.</summary>
    public async ValueTask<HypercallResult> Map(UrbSegment[] segments, GrantMapFlags flags)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return new(DmaRefusal.NotMapped, 0);
            List<GrantedPage> pages = Take(segments, (flags & GrantMapFlags.ReadOnly) == 0);
            return pages.Count == 0 ? new(DmaRefusal.NotMapped, 0) : await Place(pages, flags, isOwned: true);
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
            List<GrantedPage> pages = [];
            for (ulong page = start.Page; !_isClosed && page <= (start + (ulong)(length - 1)).Page && grants.TryTake((uint)page, isWritten, out GrantedPage taken); page++)
                pages.Add(taken);
            if ((ulong)pages.Count != (start + (ulong)(length - 1)).Page - start.Page + 1)
            {
                foreach (GrantedPage taken in pages)
                    grants.Return(taken);
                return new(_isClosed ? DmaRefusal.NotMapped : DmaRefusal.Exhausted, 0);
            }

            HypercallResult mapped = await Place(pages, isWritten ? GrantMapFlags.Device : GrantMapFlags.Device | GrantMapFlags.ReadOnly, isOwned: true);
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
            return _isClosed ? new(DmaRefusal.NotMapped, 0) : await Place([rings.Requests, rings.Plugs], GrantMapFlags.Host, isOwned: false);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Answers <see cref="Hypercall.UnmapGrants"/>.</summary>
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
    public DmaRefusal Copy(UrbSegment[] segments, bool isWritten, GuestPhysicalAddress own, out int bytes)
    {
        bytes = segments.Sum(segment => segment.Length);
        if (segments.Any(segment => segment.Length == 0 || segment.Offset + segment.Length > SharedRing.PageBytes) || !service.Memory.Contains(own, (ulong)bytes))
            return DmaRefusal.BadRange;
        List<GrantedPage> pages = _isClosed ? [] : Take(segments, isWritten);
        if (pages.Count == 0)
            return DmaRefusal.NotMapped;
        byte[] piece = new byte[SharedRing.PageBytes];
        for (int index = 0; index < segments.Length; index++)
        {
            Span<byte> moved = piece.AsSpan(0, segments[index].Length);
            PhysicalAddress granted = pages[index].Frame + segments[index].Offset;
            _ = isWritten ? service.Cpu.TryRead(own, moved) && service.Host.Memory.TryWrite(granted, moved)
                : service.Host.Memory.TryRead(granted, moved) && service.Cpu.TryWrite(own, moved);
            own += segments[index].Length;
        }

        foreach (GrantedPage page in pages)
            grants.Return(page);
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

    // All or nothing; empty for nothing.
    private List<GrantedPage> Take(UrbSegment[] segments, bool isWritten)
    {
        List<GrantedPage> pages = [];
        foreach (UrbSegment segment in segments)
        {
            if (grants.TryTake(segment.Grant, isWritten, out GrantedPage page))
            {
                pages.Add(page);
                continue;
            }

            foreach (GrantedPage taken in pages)
                grants.Return(taken);
            return [];
        }

        return pages;
    }

    private async ValueTask<HypercallResult> Place(List<GrantedPage> pages, GrantMapFlags flags, bool isOwned)
    {
        bool hasPlace = window.TryAllocate((ulong)pages.Count, PageBytes, out GuestPhysicalAddress first);
        Mapping mapping = new(first, pages, isOwned);
        if (!hasPlace)
        {
            Return(mapping);
            return new(DmaRefusal.Exhausted, 0);
        }

        Pages += pages.Count;
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
        foreach (RemappingDomain domain in service.Devices.Select(device => device.Domain).OfType<RemappingDomain>().Distinct())
        {
            Reached reached = new(domain);
            mapping.Domains.Add(reached);
            for (; reached.Pages < mapping.Pages.Count; reached.Pages++)
            {
                PhysicalAddress frame = mapping.Pages[reached.Pages].Frame;
                if (await domain.Map(new(mapping.AddressOf(reached.Pages).Value), new(frame.Value), PageBytes, direction) != DmaRefusal.None)
                    return false;
            }
        }

        return true;
    }

    // Devices first, then the processor, then whose page it is.
    private async ValueTask Remove(Mapping mapping)
    {
        _ = _mappings.Remove(mapping.First);
        foreach (Reached reached in mapping.Domains)
        {
            if (reached.Domain.IsReleased || reached.Pages == 0)
                continue;
            DmaRefusal refusal = await reached.Domain.Unmap(new(mapping.First.Value), (ulong)reached.Pages * PageBytes);
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
    }

    /// <summary>Pages that are mapped together.</summary>
    private sealed record Mapping(GuestPhysicalAddress First, List<GrantedPage> Pages, bool IsOwned)
    {
        public List<Reached> Domains { get; } = [];

        public GuestPhysicalAddress AddressOf(int index) => First + ((ulong)index * PageBytes);
    }

    /// <summary>A domain, and how many of the pages are in it.</summary>
    private sealed class Reached(RemappingDomain domain)
    {
        public RemappingDomain Domain => domain;

        public int Pages { get; set; }
    }
}
