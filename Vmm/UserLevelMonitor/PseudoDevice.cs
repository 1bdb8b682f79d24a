using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pseudo-device driver of the service OS: it ties part of the address space of a process to the memory of a VM.</summary>
/// <remarks>
/// <code>
///   fault --> memory of this VM? --> frame of the page --> pinned, in the reverse map --> entry --> retry
///   page loses its frame --> entry removed --> flushed --> out of the reverse map, unpinned --> the frame has another use
/// </code>
/// A pin says that the frame is shown; it keeps nobody from taking the page away, who has to ask the window first. It is not
/// one of the pins that a guest has a quota of: the window gives it back whenever it is asked.
/// </remarks>
internal sealed class PseudoDevice : IFrameView
{
    private readonly VirtualMachine _machine;
    private readonly ProcessSpace _space;
    private readonly GuestWindow _window;
    private readonly Processor _processor;
    private readonly MonitorCounts _counts;
    private readonly ShootDown _shootDown;

    /// <summary>The device was opened: its window shows nothing yet.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="space">The address space of the process.</param>
    /// <param name="window">Which part of it.</param>
    /// <param name="processor">Who is charged for faults.</param>
    /// <param name="counts">What is counted.</param>
    /// <param name="shootDown">What happens when a page loses its frame.</param>
    public PseudoDevice(
        VirtualMachine machine, ProcessSpace space, GuestWindow window, Processor processor, MonitorCounts counts, ShootDown shootDown)
    {
        (_machine, _space, _window, _processor, _counts, _shootDown) = (machine, space, window, processor, counts, shootDown);
        Memory.Windows.Open(this);
    }

    /// <summary>How often an entry was removed: what was found out about a page before may not hold any more.</summary>
    public ulong Generation { get; private set; }

    /// <summary>Told of what happens to pages; null for nobody.</summary>
    public Action<WindowEvent>? Watcher { get; set; }

    private GuestMemory Memory => _machine.Memory;

    private bool IsTold => _shootDown != ShootDown.None;

    /// <summary>A page fault of the process in the window.</summary>
    /// <returns>Whether the access can be tried again; else the process is told that nothing is there.</returns>
    public bool HandleFault(GuestPhysicalAddress address)
    {
        // 1. The driver asks the VMM. Registers of devices are no memory: the model is asked for them, not the window.
        GuestPhysicalAddress page = new(address.Value & ~(FrameSize.Page4K.Bytes - 1));
        _processor.Count(Cost.PageFault);
        _processor.Count(Cost.Hypercall);
        if (FindFrame(page) is not { } frame)
        {
            _counts.RefusedFaults++;
            Watcher?.Invoke(new(WindowEventKind.RefusedFault, page));
            return false;
        }

        // 2. Room for it.
        if (_window.Victim is { } victim)
        {
            Remove(victim, isFlushed: true);
            _counts.Evictions++;
            Watcher?.Invoke(new(WindowEventKind.Eviction, victim));
        }

        // 3. Pinned before it can be reached.
        if (IsTold)
        {
            _machine.Host.Frames.Pin(frame);
            Memory.Windows.Add(frame, this, page);
        }

        // 4. The entry.
        _window.Take(page);
        _ = _window.TryFind(page, out ulong at);
        _space.Map(at >> (int)FrameSize.Page4K, frame);
        _counts.Faults++;
        Watcher?.Invoke(new(WindowEventKind.Fault, page));
        return true;
    }

    /// <summary>The frame of a page of the VM's memory, which comes in where it is out; null where it is no memory, or none can be had.</summary>
    public PhysicalAddress? FindFrame(GuestPhysicalAddress page)
    {
        if (!Memory.Contains(page, FrameSize.Page4K.Bytes) || !Memory.TryReach(page))
            return null;
        EptWalkResult found = Memory.Tables.Walk(page, EptRights.ReadWrite);
        return found.Outcome == EptOutcome.Mapped ? found.Address : null;
    }

    /// <inheritdoc/>
    public void Invalidate(GuestPhysicalAddress page)
    {
        if (!Remove(page, _shootDown == ShootDown.Flushed))
            return;
        _machine.Host.Cpu.Processor.Charge(Cost.Invalidation);
        _counts.ShootDowns++;
        Watcher?.Invoke(new(WindowEventKind.ShootDown, page));
    }

    /// <inheritdoc/>
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
            _ = Remove(_window.PageAt(virtualPage), isFlushed: true);
        _space.Clear();
        Memory.Windows.Close(this);
    }

    private bool Remove(GuestPhysicalAddress page, bool isFlushed)
    {
        if (!_window.TryFind(page, out ulong at) || !_space.TryUnmap(at >> (int)FrameSize.Page4K, out ProcessSpace.PageEntry entry))
            return false;
        if (isFlushed)
            _space.Flush(at >> (int)FrameSize.Page4K);
        _window.Return(page);
        Generation++;

        // The mark goes with the entry.
        if (entry.IsDirty)
            Memory.DirtyLog?.Mark(page);

        // Only now that nothing leads there.
        if (IsTold)
        {
            Memory.Windows.Remove(entry.Frame, this, page);
            _machine.Host.Frames.Unpin(entry.Frame);
        }

        return true;
    }
}
