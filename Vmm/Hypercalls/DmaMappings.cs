using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a VM has mapped for one assigned device: the books that the VMM keeps beside the unit's tables.</summary>
/// <remarks>
/// The VMM chooses device addresses, and each mapping has its own. So two buffers in one page, mapped with different
/// rights, are two pages of device addresses: neither widens the rights of the other, and taking one back leaves the
/// other. What a mapping shares with its neighbours is the rest of its first and last page: a device reaches these bytes
/// of the same guest too, with the rights of the mapping.
/// Device addresses lie where the guest has no memory, so that a driver that gives its device a memory address is
/// found out at once, unless all memory is mapped there. Requests are served one after the other, each from check to answer.
/// A page stays pinned until no device can reach it any more, which may be later than its unmap (<see cref="MappingPolicy.Deferred"/>).
/// </remarks>
public sealed class DmaMappings
{
    /// <summary>The first device address that is handed out: where memory below 4 GiB has ended.</summary>
    public const ulong WindowStart = MemoryLayout.LowMemoryEnd;

    /// <summary>Bytes of device addresses for one device.</summary>
    public const ulong WindowLength = 256 << 20;

    private const ulong PageSize = 4096;

    // Each stretch is aligned to its size: devices that must not cross an address like this take it as one segment.
    private static readonly DmaLimits s_limits = DmaLimits.None with { Boundary = 1ul << 32 };

    private readonly VirtualMachine _machine;
    private readonly RemappingDomain _domain;
    private readonly DomainWindow<Held> _window;
    private readonly Dictionary<Iova, Entry> _entries = [];
    private readonly HashSet<Held> _held = [];
    private readonly Gate _gate = new();
    private bool _isClosed;

    internal DmaMappings(VirtualMachine machine, RemappingDomain domain)
    {
        (_machine, _domain) = (machine, domain);
        _window = new(domain, new(new(WindowStart), WindowLength), machine.Host.Loop, machine.Mapping, Forget);
    }

    /// <summary>How many mappings there are.</summary>
    public int Count { get; private set; }

    /// <summary>How many were unmapped and wait for their invalidation; their pages are still pinned.</summary>
    public int WaitingCount => _window.WaitingCount;

    /// <summary>The mappings, in no order: device address, guest-physical address, length in bytes, direction. A map of all memory is none of them.</summary>
    public IEnumerable<(Iova Device, GuestPhysicalAddress Guest, ulong Length, DmaDirection Direction)> All
    {
        get
        {
            foreach ((Iova address, Entry newest) in _entries)
            {
                for (Entry? entry = newest; entry is not null; entry = entry.Older)
                    yield return (address, entry.Start, entry.Length, entry.Direction);
            }
        }
    }

    private FrameTable Frames => _machine.Host.Frames;

    private bool IsTranslated => _machine.Mapping.Policy != MappingPolicy.Untranslated;

    /// <summary>Maps memory of the VM. Range, direction and policy are already checked.</summary>
    internal async ValueTask<HypercallResult> Map(GuestPhysicalAddress start, ulong length, DmaDirection direction)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return new(DmaRefusal.NotAssigned, 0);
            ulong pages = PagesOf(start.PageOffset, length);
            if (!HasQuota(pages))
                await _window.Flush();
            if (!HasQuota(pages))
                return new(DmaRefusal.Exhausted, 0);

            // Pinned before the device can reach them, so that they cannot go to anyone else in between.
            Held held = new();
            _ = _held.Add(held);
            (DmaRefusal refusal, Iova first) = TryPin(start, pages, held)
                ? await Place(held, start.PageOffset, length, direction)
                : (DmaRefusal.Exhausted, default);
            if (refusal == DmaRefusal.None)
            {
                Iova address = first + (ulong)start.PageOffset;
                _entries[address] = new(start, length, direction, held, _entries.GetValueOrDefault(address));
                Count++;
                return new(DmaRefusal.None, address.Value);
            }

            Forget(held);
            return refusal is DmaRefusal.Exhausted or DmaRefusal.Unreachable
                ? new(refusal, 0)
                : throw new InvalidOperationException($"The domain refuses {length} bytes from {start}: {refusal}.");
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes back what <see cref="Map"/> returned; the unit has forgotten it when this completes, unless the policy lets it wait.</summary>
    internal async ValueTask<DmaRefusal> Unmap(Iova address, ulong length)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return DmaRefusal.NotAssigned;
            Entry? entry = _entries.GetValueOrDefault(address), newer = null;
            while (entry is not null && entry.Length != length)
                (entry, newer) = (entry.Older, entry);
            if (entry is null)
                return DmaRefusal.NotMapped;
            await Take(new(address.Value & ~(PageSize - 1)), PagesOf(address.PageOffset, length), entry.Held);
            if (newer is not null)
                newer.Older = entry.Older;
            else if (entry.Older is not null)
                _entries[address] = entry.Older;
            else
                _ = _entries.Remove(address);
            Count--;
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Invalidates what was unmapped and waits for that.</summary>
    internal ValueTask Flush() => _window.Flush();

    /// <summary>Maps all memory of the VM, at its own addresses, until the end.</summary>
    /// <returns><c>false</c> where the quota of pinned pages, or frames for tables, do not do; what was mapped goes with the domain.</returns>
    internal async ValueTask<bool> TryMapAll()
    {
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(_machine.Memory.Bytes))
        {
            Held held = new();
            _ = _held.Add(held);
            if (!HasQuota(length / PageSize) || !TryPin(new(start), length / PageSize, held))
                return false;
            Iova at = new(start);
            foreach (MemoryRun run in held.Runs)
            {
                if (await _domain.Map(at, run.Start, run.Length, DmaDirection.Bidirectional) != DmaRefusal.None)
                    return false;
                at += run.Length;
            }
        }

        return true;
    }

    /// <summary>Takes everything back, of maps that broke off in the middle and of unmaps that wait too; later requests are refused.</summary>
    /// <remarks>No device reaches the domain any more, whose tables are thrown away as a whole.</remarks>
    internal async ValueTask Close()
    {
        await _gate.Enter();
        _isClosed = true;
        await _window.Close();
        foreach (Held held in _held.ToArray())
            Forget(held);
        _entries.Clear();
        Count = 0;
        _gate.Leave();
    }

    private static ulong PagesOf(int offset, ulong length) => ((ulong)offset + length + PageSize - 1) / PageSize;

    private bool HasQuota(ulong pages) => pages <= _machine.PinnedPagesMax && _machine.PinnedPages <= _machine.PinnedPagesMax - pages;

    // A device without translation uses the addresses of the machine: what it shall take as one stretch must be one there.
    private ValueTask<(DmaRefusal Refusal, Iova First)> Place(Held held, int offset, ulong length, DmaDirection direction)
    {
        if (IsTranslated)
            return _window.Map(held.Runs, direction, s_limits, offset, length);
        return held.Runs.Count == 1
            ? new((DmaRefusal.None, new(held.Runs[0].Start.Value)))
            : new((DmaRefusal.Unreachable, default));
    }

    private async ValueTask Take(Iova first, ulong pages, Held held)
    {
        if (!IsTranslated)
        {
            Forget(held);
            return;
        }

        DmaRefusal refusal = await _window.Unmap(first, pages, held);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"What is mapped at {first} cannot be unmapped: {refusal}.");
    }

    // Only now that no device can reach them.
    private void Forget(Held held)
    {
        if (!_held.Remove(held))
            return;
        foreach (MemoryRun run in held.Runs)
        {
            for (ulong at = 0; at < run.Length; at += PageSize)
                Frames.Unpin(new(run.Start.Value + at));
        }

        _machine.PinnedPages -= held.Pages;
    }

    // The host frames behind whole pages of the guest, neighbours together. Each is pinned before the next one is looked
    // for: where memory comes when it is touched, that could take it away again.
    private bool TryPin(GuestPhysicalAddress start, ulong pages, Held held)
    {
        held.Pages = pages;
        _machine.PinnedPages += pages;
        List<MemoryRun> runs = held.Runs;
        for (ulong page = start.Page; page < start.Page + pages; page++)
        {
            GuestPhysicalAddress guest = new(page * PageSize);
            if (!_machine.Memory.TryReach(guest))
                return false;
            EptWalkResult found = _machine.Memory.Tables.Walk(guest, EptRights.ReadWrite);
            if (found.Outcome != EptOutcome.Mapped)
                throw new InvalidOperationException($"Page {page:X}h is memory of {_machine.Name}, and EPT does not map it.");
            Frames.Pin(found.Address);
            if (runs.Count != 0 && runs[^1].Start.Value + runs[^1].Length == found.Address.Value)
                runs[^1] = runs[^1] with { Length = runs[^1].Length + PageSize };
            else
                runs.Add(new(new(found.Address.Value), PageSize));
        }

        return true;
    }

    /// <summary>Pages that are pinned together.</summary>
    private sealed class Held
    {
        public ulong Pages { get; set; }

        public List<MemoryRun> Runs { get; } = [];
    }

    /// <summary>A mapping; without translation, several can have the same address.</summary>
    private sealed class Entry(GuestPhysicalAddress start, ulong length, DmaDirection direction, Held held, Entry? older)
    {
        public GuestPhysicalAddress Start => start;

        public ulong Length => length;

        public DmaDirection Direction => direction;

        public Held Held => held;

        public Entry? Older { get; set; } = older;
    }
}
