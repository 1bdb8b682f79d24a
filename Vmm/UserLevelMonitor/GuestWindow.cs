using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The part of a process's address space that stands for the memory of a VM: which virtual page is which page of the guest.</summary>
/// <remarks>
/// <code>
/// flat    virtual = W + guest-physical                          a place for each page
/// cache   virtual = W + 4096 * place, place = places[page]      N places, taken in turn
/// </code>
/// </remarks>
internal sealed class GuestWindow
{
    private const ulong FlatBase = 0x7000_0000_0000;
    private const ulong CacheBase = 0x4000_0000;

    private readonly Dictionary<ulong, int> _places = [];
    private readonly Stack<int> _free = new();
    private readonly ulong[]? _pages;
    private int _oldest;

    /// <summary>A window.</summary>
    /// <param name="pages">How many pages it has; null for one that is flat.</param>
    public GuestWindow(int? pages)
    {
        if (pages is not { } count)
            return;
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(pages));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, (int)((0x1_0000_0000 - CacheBase) >> (int)FrameSize.Page4K), nameof(pages));
        _pages = new ulong[count];
        for (int place = count - 1; place >= 0; place--)
            _free.Push(place);
    }

    /// <summary>W.</summary>
    public ulong Base => _pages is null ? FlatBase : CacheBase;

    /// <summary>How many pages it has; null where it has one for each page of the guest.</summary>
    public int? Pages => _pages?.Length;

    /// <summary>The virtual address of a guest-physical one.</summary>
    /// <returns><c>false</c> where its page has no place now.</returns>
    public bool TryFind(GuestPhysicalAddress address, out ulong virtualAddress)
    {
        if (_pages is null)
        {
            // A flat window ends where guest-physical addresses do.
            virtualAddress = FlatBase + address.Value;
            return address.Value < 1ul << 46;
        }

        bool isFound = _places.TryGetValue(address.Page, out int place);
        virtualAddress = CacheBase + ((ulong)place << (int)FrameSize.Page4K) + (ulong)address.PageOffset;
        return isFound;
    }

    /// <summary>The page that makes room for the next one; null where there is room.</summary>
    public GuestPhysicalAddress? Victim => _pages is { } pages && _free.Count == 0 ? new(pages[_oldest] << (int)FrameSize.Page4K) : null;

    /// <summary>Gives a page a place; there is room.</summary>
    public void Take(GuestPhysicalAddress page)
    {
        if (_pages is null)
            return;
        int place = _free.Pop();
        _pages[place] = page.Page;
        _places.Add(page.Page, place);
    }

    /// <summary>A page gives its place back.</summary>
    public void Return(GuestPhysicalAddress page)
    {
        if (_pages is null || !_places.Remove(page.Page, out int place))
            return;
        _free.Push(place);
        if (place == _oldest)
            _oldest = (_oldest + 1) % _pages.Length;
    }

    /// <summary>The guest's page behind a virtual page that has an entry.</summary>
    public GuestPhysicalAddress PageAt(ulong virtualPage)
    {
        ulong offset = virtualPage - (Base >> (int)FrameSize.Page4K);
        return new((_pages is null ? offset : _pages[offset]) << (int)FrameSize.Page4K);
    }
}
