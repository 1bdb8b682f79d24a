using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Which pages of a VM were written since it was asked last: by its processor, by its devices, and by the VMM, which put them elsewhere.</summary>
/// <remarks>
/// <code>
///   processor   dirty bits of EPT (EPTP bit 6)
///   windows     dirty bits of the page tables that software of the host uses
///   devices     dirty bits of the second stage where the unit keeps them; else all that is mapped for writing
/// </code>
/// The order is clear, invalidate, and only then read what the pages hold. A translation that a unit or a device keeps says
/// "dirty already"; until it is gone, writes through it leave no mark, so a page that was read before would be lost.
/// EPT is taken apart into pages of 4 KiB for as long as frames for tables last, and stays so: a large page is dirty as a whole.
/// </remarks>
public sealed class DirtyLog
{
    private readonly VirtualMachine _machine;
    private readonly List<RemappingDomain> _domains = [];
    private readonly HashSet<ulong> _marked = [];

    private DirtyLog(VirtualMachine machine) => _machine = machine;

    /// <summary>How many domains are watched by dirty bits.</summary>
    public int DomainsByBits => _domains.Count(static domain => domain.HasDirtyBits);

    /// <summary>How many domains are watched of which all that devices may write counts as written.</summary>
    public int DomainsByMapping => _domains.Count(static domain => domain.LogsWrites && !domain.HasDirtyBits);

    private GuestMemory Memory => _machine.Memory;

    /// <summary>Begins: every write after this completes is found.</summary>
    /// <exception cref="InvalidOperationException">Somebody else is logging what the VM writes.</exception>
    public static async ValueTask<DirtyLog> Start(VirtualMachine machine)
    {
        if (machine.Memory.DirtyLog is not null)
            throw new InvalidOperationException($"What {machine} writes is logged already.");
        DirtyLog log = new(machine);
        machine.Memory.DirtyLog = log;
        log.SplitPages();
        machine.Memory.Tables.TracksAccess = true;
        log.CollectProcessor([]);
        foreach (Assignment device in machine.Host.Assignments.Where(device => device.Machine == machine).ToArray())
        {
            if (device.Domain is { } domain)
                await log.Follow(domain);
        }

        return log;
    }

    /// <summary>The pages that were written since the last time, or the beginning; each later write is found the next time.</summary>
    /// <returns>Page numbers of the guest, in order. What they hold may be read once this completes.</returns>
    public async ValueTask<SortedSet<ulong>> Harvest()
    {
        // 1. Clear.
        SortedSet<ulong> pages = [];
        HashSet<ulong> frames = [];
        CollectProcessor(pages);
        foreach (RemappingDomain domain in _domains.ToArray())
        {
            bool isOver = domain.IsReleased;
            await domain.HarvestWritesDeferred(frames);
            if (isOver)
                _ = _domains.Remove(domain);
        }

        // 2. Invalidate, and wait.
        _machine.Host.Cpu.Processor.Charge(Cost.Invalidation);
        foreach (RemappingDomain domain in _domains.ToArray())
            await domain.Flush();

        // 3. Whose the frames are; a page that has another one by now was marked when it got it.
        Name(frames, pages);
        pages.UnionWith(_marked);
        _marked.Clear();
        return pages;
    }

    /// <summary>Ends it.</summary>
    public async ValueTask Stop()
    {
        Memory.Tables.TracksAccess = false;
        Memory.DirtyLog = null;
        foreach (RemappingDomain domain in _domains)
            await domain.StopWriteLog();
        _domains.Clear();
    }

    /// <summary>The VMM changed where a page is.</summary>
    internal void Mark(GuestPhysicalAddress page) => _marked.Add(page.Page);

    /// <summary>A device of the VM writes through a domain from now on.</summary>
    internal async ValueTask Follow(RemappingDomain domain)
    {
        if (domain.IsReleased || _domains.Contains(domain))
            return;
        _domains.Add(domain);
        await domain.StartWriteLog();
    }

    private void SplitPages()
    {
        foreach ((GuestPhysicalAddress guest, _, FrameSize size) in Memory.Mapped().ToArray())
        {
            for (ulong at = 0; size != FrameSize.Page4K && at < size.Bytes; at += FrameSize.Page2M.Bytes)
            {
                if (!Memory.Tables.TrySplit(guest + at))
                    return;
            }
        }
    }

    private void CollectProcessor(SortedSet<ulong> pages)
    {
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(Memory.Bytes))
        {
            Memory.Tables.CollectDirty(new(start), length, (page, size) =>
            {
                for (ulong number = 0; number < size.Frames; number++)
                    _ = pages.Add(page.Page + number);
            });
        }

        foreach (IFrameView window in Memory.Windows.Views)
            window.CollectDirty(pages);
    }

    private void Name(HashSet<ulong> frames, SortedSet<ulong> pages)
    {
        if (frames.Count == 0)
            return;
        foreach ((GuestPhysicalAddress guest, PhysicalAddress host, FrameSize size) in Memory.Mapped())
        {
            for (ulong number = 0; number < size.Frames; number++)
            {
                if (frames.Contains(host.Page + number))
                    _ = pages.Add(guest.Page + number);
            }
        }
    }
}
