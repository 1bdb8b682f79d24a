using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The registers behind one BAR of an assigned device, in the guest's EPT where the guest wants them.</summary>
/// <remarks>
/// Only whole pages of which the device owns every byte are mapped, and only where the guest has neither memory nor
/// another device; otherwise the guest's accesses exit, and the VMM passes them on.
/// </remarks>
/// <param name="memory">The guest's memory.</param>
/// <param name="bar">The BAR of the real device.</param>
internal sealed class RegisterPages(GuestMemory memory, BarShape bar)
{
    private readonly List<(GuestPhysicalAddress Guest, FrameSize Size)> _pages = [];
    private ulong? _at;

    /// <summary>The BAR of the real device.</summary>
    public BarShape Bar => bar;

    /// <summary>Whether the guest reaches the registers without an exit.</summary>
    public bool IsMapped => _pages.Count != 0;

    /// <summary>Follows the guest's BAR.</summary>
    /// <param name="at">Where the guest decodes it; null where it does not.</param>
    public void Follow(ulong? at)
    {
        if (at == _at)
            return;
        Unmap();
        _at = at;
        if (at is { } address && IsMappable(address) && !TryMap(address))
            Unmap();
    }

    private static FrameSize PageAt(ulong guest, ulong host, ulong left) =>
        FrameSize.Page2M.IsAligned(guest | host) && left >= FrameSize.Page2M.Bytes ? FrameSize.Page2M : FrameSize.Page4K;

    private bool IsMappable(ulong at)
    {
        ulong size = bar.Size;
        if (!FrameSize.Page4K.IsAligned(size | at | bar.Address) || at >> 48 != 0 || (at + (size - 1)) >> 48 != 0)
            return false;
        for (ulong done = 0; done < size;)
        {
            FrameSize page = PageAt(at + done, bar.Address + done, size - done);
            if (IsTaken(at + done, page))
                return false;
            done += page.Bytes;
        }

        return true;
    }

    // Something is mapped in the page, or the guest's memory reaches into it.
    private bool IsTaken(ulong at, FrameSize page)
    {
        for (ulong offset = 0; offset < page.Bytes; offset += FrameSize.Page4K.Bytes)
        {
            if (memory.Tables.Walk(new(at + offset), EptRights.None).Outcome != EptOutcome.Violation)
                return true;
        }

        return false;
    }

    private bool TryMap(ulong at)
    {
        for (ulong done = 0; done < bar.Size;)
        {
            FrameSize page = PageAt(at + done, bar.Address + done, bar.Size - done);
            if (!memory.Tables.TryMap(new(at + done), new(bar.Address + done), page, EptRights.ReadWrite, EptMemoryType.Uncacheable))
                return false;
            _pages.Add((new(at + done), page));
            done += page.Bytes;
        }

        return true;
    }

    private void Unmap()
    {
        foreach ((GuestPhysicalAddress guest, FrameSize size) in _pages)
            memory.Tables.Unmap(guest, size);
        _pages.Clear();
    }
}
