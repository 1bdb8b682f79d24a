using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A device of a world, with the books that are kept of it beside those of the VMM.</summary>
/// <param name="index">Its number in the program.</param>
/// <param name="name">What it is called.</param>
/// <param name="function">The device.</param>
/// <param name="assignment">Its way to VMs and back.</param>
internal sealed class WorldDevice(int index, string name, PciFunction function, Assignment assignment)
{
    private const int GoneMax = 16;

    // Beyond the time that a policy lets unmaps wait: for the invalidation itself.
    private const ulong FlushNsMax = 100_000;

    private readonly List<BookedMapping> _mappings = [];
    private int _pages;
    private readonly List<(BookedMapping Mapping, ulong SinceNs)> _waiting = [];
    private readonly List<ulong> _gone = [];

    /// <summary>Its number in the program.</summary>
    public int Index => index;

    /// <summary>What it is called.</summary>
    public string Name => name;

    /// <summary>The device.</summary>
    public PciFunction Function => function;

    /// <summary>The device, where it does what it is told.</summary>
    public ProbeDevice? Probe => function as ProbeDevice;

    /// <summary>Where it was plugged in: the requester of all it sends in its own name.</summary>
    public SourceId Source => assignment.Source;

    /// <summary>Where each VM finds it, and so its handle.</summary>
    public SourceId GuestPlace => new(0, index + 1, 0);

    /// <summary>Its first BAR on the host's bus.</summary>
    public ulong Bar { get; init; }

    /// <summary>Bytes behind that BAR.</summary>
    public ulong BarBytes => function.BarSize(0);

    /// <summary>Its registers as they are after a reset.</summary>
    public ulong Pristine { get; set; }

    /// <summary>Its way to VMs and back.</summary>
    public Assignment Assignment => assignment;

    /// <summary>How many requests of software about it are under way; meanwhile its mappings may hold already, or still.</summary>
    public int Busy { get; set; }

    /// <summary>How many interrupt messages of it were let through since a VM got it.</summary>
    public ulong MessagesAccepted { get; set; }

    /// <summary>What its interrupt messages become on the host, as they were seen; null before the first one.</summary>
    public MessageInterrupt? Message { get; set; }

    /// <summary>What is mapped for it.</summary>
    public IReadOnlyList<BookedMapping> Mappings => _mappings;

    /// <summary>The VM all of whose memory is mapped for it, at its own addresses; null where that is nobody's policy.</summary>
    public WorldGuest? IdentityOf { get; set; }

    /// <summary>The VM whose own tables say what it reaches; null where hypercalls do.</summary>
    public WorldGuest? FollowsOf { get; set; }

    /// <summary>The software of a VM that drives it as it should; null while none does.</summary>
    public HalDriver? User { get; set; }

    /// <summary>Pages that are mapped for it; one that is mapped twice counts twice.</summary>
    public int PagesMapped => _pages + (IdentityOf?.Pages ?? 0);

    /// <summary>A device address that led somewhere once.</summary>
    public ulong Gone(int number) => _gone.Count == 0 ? 0 : _gone[number % _gone.Count];

    /// <summary>The frame behind a page of device addresses, if it is mapped for something.</summary>
    /// <param name="page">The number of the page.</param>
    /// <param name="wanted">What for.</param>
    /// <param name="frame">The number of the frame.</param>
    public bool TryFind(ulong page, DmaDirection wanted, out ulong frame)
    {
        foreach (BookedMapping mapping in _mappings)
        {
            if (!mapping.Allows(page, wanted))
                continue;
            frame = mapping.Frames[(int)(page - mapping.FirstPage)];
            return true;
        }

        frame = IdentityOf is { } guest && page < (ulong)guest.Pages ? guest.FrameOf((int)page) >> 12 : 0;
        return frame != 0;
    }

    /// <summary>The frame behind a page of device addresses that was unmapped, and that the device may still reach, or not.</summary>
    /// <param name="page">The number of the page.</param>
    /// <param name="wanted">What for.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="frame">The number of the frame.</param>
    public bool TryFindWaiting(ulong page, DmaDirection wanted, ulong nowNs, out ulong frame)
    {
        foreach ((BookedMapping mapping, ulong sinceNs) in _waiting)
        {
            if (!MayWait(sinceNs, nowNs) || !mapping.Allows(page, wanted))
                continue;
            frame = mapping.Frames[(int)(page - mapping.FirstPage)];
            return true;
        }

        frame = 0;
        return false;
    }

    /// <summary>How many pages may be pinned although they were unmapped.</summary>
    public int PagesWaiting(ulong nowNs)
    {
        int pages = 0;
        foreach ((BookedMapping mapping, ulong sinceNs) in _waiting)
            pages += MayWait(sinceNs, nowNs) ? mapping.Frames.Count : 0;
        return pages;
    }

    /// <summary>A mapping holds from now on.</summary>
    public void Add(BookedMapping mapping)
    {
        // Addresses are given out again when nothing leads from them any more: then all that waited as long does not wait, either.
        foreach ((BookedMapping Mapping, ulong SinceNs) waiting in _waiting.FindAll(waiting => waiting.Mapping.Overlaps(mapping)))
            Flushed(waiting.SinceNs);
        _mappings.Add(mapping);
        _pages += mapping.Frames.Count;
    }

    /// <summary>A mapping holds no longer.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="waitsSinceNs">Since when its invalidation may wait; null where that was done.</param>
    public void Remove(BookedMapping mapping, ulong? waitsSinceNs = null)
    {
        if (!_mappings.Remove(mapping))
            return;
        _pages -= mapping.Frames.Count;
        if (waitsSinceNs is { } sinceNs)
        {
            _ = _waiting.RemoveAll(waiting => !MayWait(waiting.SinceNs, sinceNs));
            _waiting.Add((mapping, sinceNs));
        }

        if (_gone.Count == GoneMax)
            _gone.RemoveAt(0);
        _gone.Add(mapping.Device);
    }

    /// <summary>What was unmapped until then waits no longer.</summary>
    public void Flushed(ulong untilNs) => _waiting.RemoveAll(waiting => waiting.SinceNs <= untilNs);

    /// <summary>A VM has it now: nothing is mapped, and nothing was raised.</summary>
    public void Begin() => (MessagesAccepted, Message) = (0, null);

    /// <summary>No mapping holds any longer.</summary>
    public void RemoveAll()
    {
        foreach (BookedMapping mapping in _mappings.ToArray())
            Remove(mapping);
        _waiting.Clear();
    }

    private static bool MayWait(ulong sinceNs, ulong nowNs) => nowNs - sinceNs <= WorldGuest.WaitingNsMax + FlushNsMax;
}
