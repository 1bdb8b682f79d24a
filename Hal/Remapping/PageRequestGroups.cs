using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>Puts page requests together into groups, in whatever order those of several groups come.</summary>
/// <remarks>
/// A group is complete with its last request. Of groups that a device never completes, as many requests are kept as fit into
/// the queue; what comes beyond is dropped, and the device asks for it again when it finds it missing. Each device has a
/// share of its own, so that none takes the room of another.
/// </remarks>
/// <param name="requestsMax">How many requests of incomplete groups of a device are kept.</param>
internal sealed class PageRequestGroups(int requestsMax)
{
    private readonly Dictionary<(SourceId Source, Pasid? Pasid, int Number), List<PageRequestDescriptor>> _incomplete = [];
    private readonly Dictionary<SourceId, int> _kept = [];

    /// <summary>Takes a request out of the queue.</summary>
    /// <returns>The group that it completes, or null.</returns>
    public PageRequestGroup? Take(PageRequestDescriptor request)
    {
        // What is no page request has no meaning, nor anybody who waits for an answer.
        if (request.Type != PageRequestDescriptor.PageRequestType)
            return null;
        Pasid? pasid = request.PasidPresent ? request.Pasid : null;
        var key = (request.Requester, pasid, request.Group);
        if (!request.LastInGroup)
        {
            Keep(key, request);
            return null;
        }

        // The end of a PASID's requests: none is answered any more.
        if (!request.Read && !request.Write)
        {
            Forget(request.Requester, pasid);
            return null;
        }

        List<PageRequestDescriptor> pages = Remove(key) ?? [];
        pages.Add(request);
        return new(request.Requester, pasid, request.Group, pages);
    }

    /// <summary>Forgets what is incomplete of an address space of a device.</summary>
    public void Forget(SourceId source, Pasid? pasid)
    {
        foreach (var key in _incomplete.Keys.Where(key => key.Source == source && key.Pasid == pasid).ToArray())
            _ = Remove(key);
    }

    /// <summary>Forgets what is incomplete of a device.</summary>
    public void Forget(SourceId source)
    {
        foreach (var key in _incomplete.Keys.Where(key => key.Source == source).ToArray())
            _ = _incomplete.Remove(key);
        _ = _kept.Remove(source);
    }

    /// <summary>Forgets all that is incomplete.</summary>
    public void ForgetAll()
    {
        _incomplete.Clear();
        _kept.Clear();
    }

    private void Keep((SourceId Source, Pasid?, int) key, PageRequestDescriptor request)
    {
        int kept = _kept.GetValueOrDefault(key.Source);
        if (kept == requestsMax)
            return;
        _kept[key.Source] = kept + 1;
        if (!_incomplete.TryGetValue(key, out List<PageRequestDescriptor>? pages))
            _incomplete.Add(key, pages = []);
        pages.Add(request);
    }

    private List<PageRequestDescriptor>? Remove((SourceId Source, Pasid?, int) key)
    {
        if (!_incomplete.Remove(key, out List<PageRequestDescriptor>? pages))
            return null;
        _kept[key.Source] -= pages.Count;
        return pages;
    }
}
