using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a service VM is shown of the memory of one VM, page by page, in its own memory map.</summary>
/// <remarks>
/// <code>
/// page of the VM --> its frame --> pinned, in the reverse map --> EPT of the service VM, at a place of its window
/// frame has another use --> out of EPT, flushed --> unpinned; then the driver in the service VM is told
/// </code>
/// Each page is looked for by the VMM itself: what the service VM names is no more than a page number of this VM. It takes a page back when
/// places are used up, the oldest first. The place of a page that was taken stays empty until the driver knows. Its pins yield, as those of all windows do, and count to no quota; those of <see cref="Map"/> are hard.
/// </remarks>
internal sealed class ServiceWindow : IFrameView, IGuestService
{
    /// <summary>The most pages that are mapped for devices together.</summary>
    private const int MappedPagesMax = 32;

    private const ulong PageBytes = FrameAllocator.FrameSize;

    private readonly ServiceVm _service;
    private readonly Dictionary<ulong, Shown> _shown = [];
    private readonly LinkedList<GuestPhysicalAddress> _order = [];
    private readonly Dictionary<ulong, GuestPhysicalAddress> _lost = [];
    private readonly Queue<GuestPhysicalAddress> _news = new();
    private readonly HashSet<ulong> _inNews = [];
    private readonly GrantMaps _maps;
    private GuestPhysicalAddress? _told;

    /// <summary>Shows nothing yet.</summary>
    public ServiceWindow(ServiceVm service, VirtualMachine guest, int number)
    {
        (_service, Guest, Number) = (service, guest, number);
        _maps = new(service.Machine, new GuestPages(guest), service.Window);
        guest.Memory.Windows.Open(this);
        guest.Services.Add(this);
    }

    /// <summary>Whose memory it is.</summary>
    public VirtualMachine Guest { get; }

    /// <summary>The number by which the service VM knows it.</summary>
    public int Number { get; }

    /// <summary>How many pages are shown to the processor of the service VM.</summary>
    public int PagesShown => _shown.Count;

    /// <summary>How many pages its devices reach.</summary>
    public int PagesMapped => _maps.Pages;

    private EptTables Tables => _service.Machine.Memory.Tables;

    private ReverseMap Windows => Guest.Memory.Windows;

    private bool IsTold => _service.Options.ShootDown != ShootDown.None;

    /// <summary>Answers <see cref="Hypercall.ShowPage"/>.</summary>
    public HypercallResult Show(GuestPhysicalAddress page)
    {
        // 1. A page of this VM, and nothing else.
        if (page.PageOffset != 0 || !Guest.Memory.Contains(page, PageBytes))
            return new(DmaRefusal.BadRange, 0);
        Acknowledge(page);
        if (_shown.TryGetValue(page.Page, out Shown? known))
            return new(DmaRefusal.None, known.Place.Value);

        // 2. A place for it, and its frame, which comes in where it is out.
        if (!TryPlace(out GuestPhysicalAddress place))
            return new(DmaRefusal.Exhausted, 0);
        if (Guest.Memory.FindFrame(page) is not { } frame)
        {
            _service.Window.Free(place, 1);
            return new(DmaRefusal.Exhausted, 0);
        }

        // 3. Pinned before it can be reached.
        _shown.Add(page.Page, new(place, frame, _order.AddLast(page)));
        if (IsTold)
        {
            Guest.Host.Frames.Pin(frame);
            Windows.Add(frame, this, page);
        }

        // 4. The entry.
        Tables.TracksAccess = true;
        if (Tables.TryMap(place, frame, FrameSize.Page4K, EptRights.ReadWrite, EptMemoryType.WriteBack))
            return new(DmaRefusal.None, place.Value);
        _ = Hide(page);
        return new(DmaRefusal.Exhausted, 0);
    }

    /// <summary>Answers <see cref="Hypercall.HidePage"/>.</summary>
    public DmaRefusal Hide(GuestPhysicalAddress page)
    {
        Acknowledge(page);
        if (page.PageOffset != 0 || TryTake(page) is not { } place)
            return DmaRefusal.NotMapped;
        _service.Window.Free(place, 1);
        return DmaRefusal.None;
    }

    /// <summary>A page that was taken, of which the driver has to hear; null for none. Asking again says that it has done its part with the one before.</summary>
    public GuestPhysicalAddress? TakeLost()
    {
        if (_told is { } told)
            Acknowledge(told);
        _told = null;

        // Of some the driver knows meanwhile.
        while (_news.TryDequeue(out GuestPhysicalAddress page))
        {
            _ = _inNews.Remove(page.Page);
            if (_lost.ContainsKey(page.Page))
                return _told = page;
        }

        return null;
    }

    /// <summary>Answers <see cref="Hypercall.MapGuest"/>.</summary>
    public async ValueTask<HypercallResult> Map(GuestPhysicalAddress start, ulong length, ulong direction)
    {
        if (direction is 0 or > (ulong)DmaDirection.Bidirectional)
            return new(DmaRefusal.BadDirection, 0);
        if (!Guest.Memory.Contains(start, length) || ((ulong)start.PageOffset + length + PageBytes - 1) / PageBytes > MappedPagesMax)
            return new(DmaRefusal.BadRange, 0);
        return await _maps.MapRange(start, (int)length, (DmaDirection)direction);
    }

    /// <summary>Answers <see cref="Hypercall.UnmapGuest"/>.</summary>
    public ValueTask<DmaRefusal> Unmap(GuestPhysicalAddress address) => _maps.Unmap(new(address.Value & ~(PageBytes - 1)));

    /// <inheritdoc/>
    public void Invalidate(GuestPhysicalAddress page)
    {
        if (TryTake(page) is not { } place)
            return;
        Guest.Host.Cpu.Processor.Charge(Cost.Invalidation);
        _lost.Add(page.Page, place);
        if (_inNews.Add(page.Page))
            _news.Enqueue(page);
        _service.Windows.Tell();
    }

    /// <inheritdoc/>
    public void CollectDirty(SortedSet<ulong> pages)
    {
        foreach ((ulong page, Shown shown) in _shown)
            Tables.CollectDirty(shown.Place, PageBytes, (_, _) => pages.Add(page));
        _service.Machine.Cpu.FlushTranslations();
    }

    /// <summary>Nothing is shown any more, nothing mapped for devices, and nothing pinned.</summary>
    public async ValueTask Close()
    {
        _service.Windows.Remove(this);
        _ = Guest.Services.Remove(this);
        foreach (GuestPhysicalAddress page in _order.ToArray())
            _ = Hide(page);
        foreach (ulong page in _lost.Keys.ToArray())
            Acknowledge(new(page << (int)FrameSize.Page4K));
        Windows.Close(this);
        await _maps.Close();
    }

    // No entry of the driver leads to the place of a page any more that was taken.
    private void Acknowledge(GuestPhysicalAddress page)
    {
        if (_lost.Remove(page.Page, out GuestPhysicalAddress place))
            _service.Window.Free(place, 1);
    }

    private bool TryPlace(out GuestPhysicalAddress place)
    {
        if (_service.Window.TryAllocate(1, PageBytes, out place))
            return true;
        if (_order.First is not { } oldest)
            return false;
        Invalidate(oldest.Value);
        return false;
    }

    // Out of reach first; only then is the frame anybody's. The place is empty afterwards; null where the page was not shown.
    private GuestPhysicalAddress? TryTake(GuestPhysicalAddress page)
    {
        if (!_shown.Remove(page.Page, out Shown? shown))
            return null;
        _order.Remove(shown.Node);
        if (Tables.Walk(shown.Place, EptRights.None) is { Outcome: EptOutcome.Mapped, Entry.Dirty: true })
            Guest.Memory.DirtyLog?.Mark(page);
        Tables.Remove(shown.Place, shown.Frame, FrameSize.Page4K);
        if (_service.Options.ShootDown != ShootDown.Unflushed)
            _service.Machine.Cpu.FlushTranslations();
        if (IsTold)
        {
            Windows.Remove(shown.Frame, this, page);
            Guest.Host.Frames.Unpin(shown.Frame);
        }

        return shown.Place;
    }

    /// <summary>A page that is shown.</summary>
    private sealed record Shown(GuestPhysicalAddress Place, PhysicalAddress Frame, LinkedListNode<GuestPhysicalAddress> Node);
}
