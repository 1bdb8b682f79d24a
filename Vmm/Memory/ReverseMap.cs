using Dma.Machine;

namespace Dma.Vmm;

/// <summary>From a frame of the host to the windows of one VM that show it (reverse map).</summary>
internal sealed class ReverseMap
{
    private readonly List<IFrameView> _views = [];
    private readonly Dictionary<ulong, List<(IFrameView View, GuestPhysicalAddress Page)>> _shown = [];

    /// <summary>All windows.</summary>
    public IReadOnlyList<IFrameView> Views => _views;

    /// <summary>How many translations there are.</summary>
    public int Count => _shown.Values.Sum(static users => users.Count);

    /// <summary>There is one more window.</summary>
    public void Open(IFrameView view) => _views.Add(view);

    /// <summary>A window is gone; it shows nothing any more.</summary>
    public void Close(IFrameView view) => _ = _views.Remove(view);

    /// <summary>A window shows a frame from now on.</summary>
    public void Add(PhysicalAddress frame, IFrameView view, GuestPhysicalAddress page)
    {
        if (!_shown.TryGetValue(frame.Page, out List<(IFrameView, GuestPhysicalAddress)>? users))
            _shown.Add(frame.Page, users = []);
        users.Add((view, page));
    }

    /// <summary>A window shows a frame no longer.</summary>
    public void Remove(PhysicalAddress frame, IFrameView view, GuestPhysicalAddress page)
    {
        List<(IFrameView, GuestPhysicalAddress)> users = _shown[frame.Page];
        _ = users.Remove((view, page));
        if (users.Count == 0)
            _ = _shown.Remove(frame.Page);
    }

    /// <summary>Takes a frame out of all windows.</summary>
    public void Invalidate(PhysicalAddress frame)
    {
        if (!_shown.TryGetValue(frame.Page, out List<(IFrameView View, GuestPhysicalAddress Page)>? users))
            return;
        foreach ((IFrameView view, GuestPhysicalAddress page) in users.ToArray())
            view.Invalidate(page);
    }
}
