using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pseudo-device driver of the service OS: it ties part of the address space of a process to the memory of a VM.</summary>
/// <remarks>
/// <code>
///   fault --> memory of this VM? --> frame of the page --> pinned, in the reverse map --> entry --> retry
///   page loses its frame --> entry removed --> flushed --> out of the reverse map, unpinned --> the frame has another use
/// </code>
/// What is on the left of the entry the VMM does (<see cref="IWindowPages"/>), whichever OS the driver is part of.
/// </remarks>
internal sealed class PseudoDevice
{
    private readonly IWindowPages _pages;
    private readonly ProcessSpace _space;
    private readonly GuestWindow _window;
    private readonly MonitorCounts _counts;
    private readonly bool _isFlushed;

    /// <summary>The device was opened: its window shows nothing yet.</summary>
    /// <param name="pages">Where pages come from.</param>
    /// <param name="space">The address space of the process.</param>
    /// <param name="window">Which part of it.</param>
    /// <param name="counts">What is counted.</param>
    /// <param name="isFlushed">Whether a page that is taken away is flushed.</param>
    public PseudoDevice(IWindowPages pages, ProcessSpace space, GuestWindow window, MonitorCounts counts, bool isFlushed)
    {
        (_pages, _space, _window, _counts, _isFlushed) = (pages, space, window, counts, isFlushed);
        pages.Open(this, space);
    }

    /// <summary>How often an entry was removed: what was found out about a page before may not hold any more.</summary>
    public ulong Generation { get; private set; }

    /// <summary>Told of what happens to pages; null for nobody.</summary>
    public Action<WindowEvent>? Watcher { get; set; }

    /// <summary>A page fault of the process in the window.</summary>
    /// <returns>Whether the access can be tried again; else the process is told that nothing is there.</returns>
    public bool HandleFault(GuestPhysicalAddress address)
    {
        // 1. Nothing is behind an entry: the VMM took the page, and its word is on the way.
        GuestPhysicalAddress page = new(address.Value & ~(FrameSize.Page4K.Bytes - 1));
        _pages.Processor.Count(Cost.PageFault);
        _ = TryForget(page);

        // 2. The driver asks the VMM. Registers of devices are no memory: the model is asked for them, not the window.
        if (!_pages.TryShow(page, out GuestPhysicalAddress place))
        {
            _counts.RefusedFaults++;
            Watcher?.Invoke(new(WindowEventKind.RefusedFault, page));
            return false;
        }

        // 3. Room for it.
        if (_window.Victim is { } victim)
        {
            _ = TryRemove(victim, isFlushed: true, isKept: true);
            _counts.Evictions++;
            Watcher?.Invoke(new(WindowEventKind.Eviction, victim));
        }

        // 4. The entry.
        _window.Take(page);
        _ = _window.TryFind(page, out ulong at);
        _space.Map(at >> (int)FrameSize.Page4K, place);
        _counts.Faults++;
        Watcher?.Invoke(new(WindowEventKind.Fault, page));
        return true;
    }

    /// <summary>A page is taken away: its entry goes, the processor is told, and the page is given back.</summary>
    /// <returns><c>false</c> where it was not shown.</returns>
    public bool TryLose(GuestPhysicalAddress page) => TryLose(page, isKept: true);

    /// <summary>A page was taken away already: its entry goes, and the processor is told.</summary>
    /// <returns><c>false</c> where it was not shown.</returns>
    public bool TryForget(GuestPhysicalAddress page) => TryLose(page, isKept: false);

    /// <summary>Finds the pages that the process has written since the last time, and begins anew.</summary>
    /// <param name="pages">Gets their numbers.</param>
    public void CollectDirty(SortedSet<ulong> pages)
    {
        foreach (ulong virtualPage in _space.Pages)
        {
            if (!_space.TryClean(virtualPage))
                continue;
            _space.Flush(virtualPage);
            _ = pages.Add(_window.PageAt(virtualPage).Page);
        }
    }

    /// <summary>The process is gone: nothing is shown, and nothing pinned for it.</summary>
    public void Close()
    {
        foreach (ulong virtualPage in _space.Pages.ToArray())
            _ = TryRemove(_window.PageAt(virtualPage), isFlushed: true, isKept: true);
        _space.Clear();
        _pages.Close(this, _space);
    }

    private bool TryLose(GuestPhysicalAddress page, bool isKept)
    {
        if (!TryRemove(page, _isFlushed, isKept))
            return false;
        _counts.ShootDowns++;
        Watcher?.Invoke(new(WindowEventKind.ShootDown, page));
        return true;
    }

    // Given back only now that nothing leads there; unless the VMM has it already.
    private bool TryRemove(GuestPhysicalAddress page, bool isFlushed, bool isKept)
    {
        if (!_window.TryFind(page, out ulong at) || !_space.TryUnmap(at >> (int)FrameSize.Page4K, out ProcessSpace.PageEntry entry))
            return false;
        if (isFlushed)
            _space.Flush(at >> (int)FrameSize.Page4K);
        _window.Return(page);
        Generation++;
        if (isKept)
            _pages.Hide(page, entry.Place, entry.IsDirty);
        return true;
    }
}
