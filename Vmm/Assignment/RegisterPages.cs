using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The registers behind one BAR of an assigned device, in the guest's EPT where the guest wants them.</summary>
/// <remarks>
/// Only whole pages are mapped, which no other device is in: firmware of host and guest gives each BAR pages of its own,
/// and where the guest moves it between pages, or over memory or another device, its accesses exit, and the VMM passes
/// them on.
/// </remarks>
/// <param name="memory">The guest's memory.</param>
/// <param name="bar">The BAR of the real device.</param>
internal sealed class RegisterPages(GuestMemory memory, PciBarInfo bar)
{
    private readonly List<(GuestPhysicalAddress Guest, FrameSize Size)> _pages = [];
    private readonly ulong _length = Math.Max(bar.Length, FrameSize.Page4K.Bytes);
    private ulong? _at;

    /// <summary>The BAR of the real device.</summary>
    public PciBarInfo Bar => bar;

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
        if (!FrameSize.Page4K.IsAligned(at | bar.Address.Value) || at >> 48 != 0 || (at + (_length - 1)) >> 48 != 0)
            return false;
        for (ulong done = 0; done < _length;)
        {
            FrameSize page = PageAt(at + done, bar.Address.Value + done, _length - done);
            if (IsTaken(at + done, page))
                return false;
            done += page.Bytes;
        }

        return true;
    }

    // Something is mapped in the page, or it is memory of the guest, which may have no frame at the moment.
    private bool IsTaken(ulong at, FrameSize page)
    {
        for (ulong offset = 0; offset < page.Bytes; offset += FrameSize.Page4K.Bytes)
        {
            if (memory.Contains(new(at + offset), 1) || memory.Tables.Walk(new(at + offset), EptRights.None).Outcome != EptOutcome.Violation)
                return true;
        }

        return false;
    }

    private bool TryMap(ulong at)
    {
        for (ulong done = 0; done < _length;)
        {
            FrameSize page = PageAt(at + done, bar.Address.Value + done, _length - done);
            if (!memory.Tables.TryMap(new(at + done), new(bar.Address.Value + done), page, EptRights.ReadWrite, EptMemoryType.Uncacheable))
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
