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
/// found out at once. Requests are served one after the other, each from check to answer.
/// </remarks>
public sealed class DmaMappings
{
    /// <summary>The first device address that is handed out: where memory below 4 GiB has ended.</summary>
    public const ulong WindowStart = MemoryLayout.LowMemoryEnd;

    /// <summary>Bytes of device addresses for one device.</summary>
    public const ulong WindowLength = 256 << 20;

    private const ulong PageSize = 4096;

    private readonly VirtualMachine _machine;
    private readonly RemappingDomain _domain;
    private readonly IovaAllocator _addresses = new(new(WindowStart), WindowLength);
    private readonly Dictionary<Iova, Entry> _entries = [];
    private readonly Gate _gate = new();
    private bool _isClosed;

    internal DmaMappings(VirtualMachine machine, RemappingDomain domain) => (_machine, _domain) = (machine, domain);

    /// <summary>How many mappings there are.</summary>
    public int Count => _entries.Count;

    /// <summary>The mappings, in no order: device address, guest-physical address, length in bytes, direction.</summary>
    public IEnumerable<(Iova Device, GuestPhysicalAddress Guest, ulong Length, DmaDirection Direction)> All =>
        _entries.Select(pair => (pair.Key, pair.Value.Start, pair.Value.Length, pair.Value.Direction));

    private FrameTable Frames => _machine.Host.Frames;

    /// <summary>Maps memory of the VM. Range, direction and policy are already checked.</summary>
    internal async ValueTask<HypercallResult> Map(GuestPhysicalAddress start, ulong length, DmaDirection direction)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return new(DmaRefusal.NotAssigned, 0);
            ulong pages = PagesOf(start.PageOffset, length);
            if (pages > _machine.PinnedPagesMax || _machine.PinnedPages > _machine.PinnedPagesMax - pages
                || !_addresses.TryAllocate(pages, PageSize, out Iova first))
            {
                return new(DmaRefusal.Exhausted, 0);
            }

            // Pinned before the device can reach them, so that they cannot go to anyone else in between.
            if (!TryPin(start, pages, out List<Run> runs))
            {
                Forget(first, pages, runs);
                return new(DmaRefusal.Exhausted, 0);
            }

            DmaRefusal refusal = await MapRuns(first, runs, direction);
            if (refusal == DmaRefusal.None)
            {
                Iova address = first + (ulong)start.PageOffset;
                _entries.Add(address, new(start, length, direction, runs));
                return new(DmaRefusal.None, address.Value);
            }

            Forget(first, pages, runs);
            return refusal == DmaRefusal.Exhausted
                ? new(refusal, 0)
                : throw new InvalidOperationException($"The domain refuses {length} bytes from {start}: {refusal}.");
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes back what <see cref="Map"/> returned; the unit has forgotten it when this completes.</summary>
    internal async ValueTask<DmaRefusal> Unmap(Iova address, ulong length)
    {
        await _gate.Enter();
        try
        {
            if (_isClosed)
                return DmaRefusal.NotAssigned;
            if (!_entries.TryGetValue(address, out Entry entry) || entry.Length != length)
                return DmaRefusal.NotMapped;
            await Remove(address, entry);
            return DmaRefusal.None;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes everything back; later requests are refused.</summary>
    internal async ValueTask Close()
    {
        await _gate.Enter();
        _isClosed = true;
        foreach ((Iova address, Entry entry) in _entries.ToArray())
            await Remove(address, entry);
        _gate.Leave();
    }

    private static ulong PagesOf(int offset, ulong length) => ((ulong)offset + length + PageSize - 1) / PageSize;

    private async ValueTask Remove(Iova address, Entry entry)
    {
        Iova first = new(address.Value & ~(PageSize - 1));
        ulong pages = PagesOf(address.PageOffset, entry.Length);
        DmaRefusal refusal = await _domain.Unmap(first, pages * PageSize);
        if (refusal != DmaRefusal.None)
            throw new InvalidOperationException($"What is mapped at {address} cannot be unmapped: {refusal}.");

        // Only now that no device can reach them.
        _ = _entries.Remove(address);
        Forget(first, pages, entry.Runs);
    }

    private void Forget(Iova first, ulong pages, List<Run> runs)
    {
        foreach (Run run in runs)
        {
            for (ulong at = 0; at < run.Length; at += PageSize)
                Frames.Unpin(run.Start + at);
        }

        _machine.PinnedPages -= pages;
        _addresses.Free(first, pages);
    }

    private async ValueTask<DmaRefusal> MapRuns(Iova first, List<Run> runs, DmaDirection direction)
    {
        ulong done = 0;
        foreach (Run run in runs)
        {
            DmaRefusal refusal = await _domain.Map(first + done, new(run.Start.Value), run.Length, direction);
            if (refusal != DmaRefusal.None)
            {
                DmaRefusal stuck = done == 0 ? DmaRefusal.None : await _domain.Unmap(first, done);
                return stuck == DmaRefusal.None
                    ? refusal
                    : throw new InvalidOperationException($"What was mapped at {first} a moment ago cannot be unmapped: {stuck}.");
            }

            done += run.Length;
        }

        return DmaRefusal.None;
    }

    // The host frames behind whole pages of the guest, neighbours together. Each is pinned before the next one is looked
    // for: where memory comes when it is touched, that could take it away again.
    private bool TryPin(GuestPhysicalAddress start, ulong pages, out List<Run> runs)
    {
        runs = [];
        _machine.PinnedPages += pages;
        for (ulong page = start.Page; page < start.Page + pages; page++)
        {
            GuestPhysicalAddress guest = new(page * PageSize);
            if (!_machine.Memory.TryReach(guest))
                return false;
            EptWalkResult found = _machine.Memory.Tables.Walk(guest, EptRights.ReadWrite);
            if (found.Outcome != EptOutcome.Mapped)
                throw new InvalidOperationException($"Page {page:X}h is memory of {_machine.Name}, and EPT does not map it.");
            Frames.Pin(found.Address);
            if (runs.Count != 0 && runs[^1].Start + runs[^1].Length == found.Address)
                runs[^1] = runs[^1] with { Length = runs[^1].Length + PageSize };
            else
                runs.Add(new(found.Address, PageSize));
        }

        return true;
    }

    private readonly record struct Run(PhysicalAddress Start, ulong Length);

    private readonly record struct Entry(GuestPhysicalAddress Start, ulong Length, DmaDirection Direction, List<Run> Runs);
}
