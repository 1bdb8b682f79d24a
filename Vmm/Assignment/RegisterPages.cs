using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The registers behind one BAR of an assigned device, in the guest's EPT where the guest wants them.</summary>
/// <remarks>
/// Only whole pages are mapped, which no other device is in: firmware of host and guest gives each BAR pages of its own,
/// and where the guest moves it between pages, or over memory or another device, its accesses exit, and the VMM passes
/// them on. Pages with registers that are the host's, those of MSI-X, always exit.
/// </remarks>
/// <param name="memory">The guest's memory.</param>
/// <param name="bar">The BAR of the real device.</param>
/// <param name="trapped">Stretches of the BAR, first byte and length, that the guest must not reach by itself.</param>
internal sealed class RegisterPages(GuestMemory memory, PciBarInfo bar, IReadOnlyList<(ulong First, ulong Length)> trapped)
{
    private readonly List<(GuestPhysicalAddress Guest, PhysicalAddress Host, FrameSize Size)> _pages = [];
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

    /// <summary>Whether the guest does not get a part of a BAR by itself.</summary>
    /// <param name="trapped">The stretches.</param>
    /// <param name="first">The first byte of the part.</param>
    /// <param name="length">Its bytes.</param>
    public static bool IsTrapped(IReadOnlyList<(ulong First, ulong Length)> trapped, ulong first, ulong length)
    {
        foreach ((ulong start, ulong bytes) in trapped)
        {
            if (start < first + length && first < start + bytes)
                return true;
        }

        return false;
    }

    private FrameSize PageAt(ulong guest, ulong done) =>
        FrameSize.Page2M.IsAligned((guest + done) | (bar.Address.Value + done)) && _length - done >= FrameSize.Page2M.Bytes
            && !IsTrapped(trapped, done, FrameSize.Page2M.Bytes) ? FrameSize.Page2M : FrameSize.Page4K;

    private bool IsMappable(ulong at)
    {
        if (!FrameSize.Page4K.IsAligned(at | bar.Address.Value) || at >> 48 != 0 || (at + (_length - 1)) >> 48 != 0)
            return false;
        for (ulong done = 0; done < _length;)
        {
            FrameSize page = PageAt(at, done);
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
            FrameSize page = PageAt(at, done);
            if (!IsTrapped(trapped, done, page.Bytes))
            {
                // Written down first: whatever becomes of the attempt is taken back.
                _pages.Add((new(at + done), new(bar.Address.Value + done), page));
                if (!memory.Tables.TryMap(_pages[^1].Guest, _pages[^1].Host, page, EptRights.ReadWrite, EptMemoryType.Uncacheable))
                    return false;
            }

            done += page.Bytes;
        }

        return true;
    }

    private void Unmap()
    {
        foreach ((GuestPhysicalAddress guest, PhysicalAddress host, FrameSize size) in _pages)
            memory.Tables.Remove(guest, host, size);
        _pages.Clear();
    }
}
