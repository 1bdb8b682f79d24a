namespace Dma.Machine;

/// <summary>A device's page requests: groups with a number each, what each waits for, and how many may be under way (PCI Express, page request interface).</summary>
/// <remarks>
/// <code>
///            TryAsk                      Success, Invalid Request: the group ends
///   idle ------------> outstanding ----> Response Failure, or a code that is none: all groups end, and the interface is off
///                          `-----------> reset of the interface or the function: all groups end
/// </code>
/// A response to a group that is not outstanding is told software by a status bit and changes nothing else; after a failure
/// nothing is expected, and what still comes is ignored. The answer may come before a call of <see cref="TryAsk"/> returns.
/// </remarks>
public sealed class PageRequestInterface
{
    /// <summary>How many groups can be told apart.</summary>
    public const int Groups = 512;

    private readonly IDmaPort _port;
    private readonly PageRequestCapability _capability;
    private readonly Group?[] _groups = new Group?[Groups];
    private int _next;

    /// <summary>An interface with nothing under way.</summary>
    /// <param name="port">The way of the device to the system.</param>
    /// <param name="capability">Its bits in configuration space; nobody else takes note of their resets.</param>
    public PageRequestInterface(IDmaPort port, PageRequestCapability capability)
    {
        (_port, _capability) = (port, capability);
        capability.Forgotten = () => EndAll(PageResponseCode.Failure);
    }

    /// <summary>Asks for pages, as one group.</summary>
    /// <param name="pages">The pages, 1 or more; each a multiple of 4096.</param>
    /// <param name="read">Whether they shall be readable.</param>
    /// <param name="write">Whether they shall be writable; one of both must be wanted.</param>
    /// <param name="attributes">Whose pages.</param>
    /// <param name="answered">Learns once what became of the group; also that it was forgotten, which is a failure.</param>
    /// <returns><c>false</c>, and nothing sent, where the interface is off or has no room for so many.</returns>
    public bool TryAsk(ReadOnlySpan<Iova> pages, bool read, bool write, DmaAttributes attributes, Action<PageResponseCode> answered)
    {
        if (!read && !write)
            throw new ArgumentException("A page is wanted for reading, for writing, or for both.", nameof(read));
        if (pages.Length == 0 || !_capability.IsEnabled || (uint)pages.Length > _capability.OutstandingMax - Math.Min(_capability.OutstandingMax, _capability.Outstanding)
            || !TryFindNumber(out int number))
        {
            return false;
        }

        // The group is there before the first message leaves: its answer may be quicker than the call.
        _groups[number] = new(attributes.Pasid, (uint)pages.Length, answered);
        foreach (Iova page in pages)
            _ = _capability.TryIssue();
        for (int at = 0; at < pages.Length; at++)
            _port.RequestPage(new(pages[at], number, at == pages.Length - 1, read, write, attributes));
        return true;
    }

    /// <summary>Tells the system that no more requests of a PASID follow those that were sent (stop marker); it is not answered.</summary>
    public void SendStopMarker(Pasid pasid) => _port.RequestPage(new(default, 0, IsLast: true, Read: false, Write: false, new() { Pasid = pasid }));

    /// <summary>A response came.</summary>
    public void Respond(in PageGroupResponse response)
    {
        // After a failure nothing is expected any more.
        if (_capability.HasFailed && !_capability.IsEnabled)
            return;
        int number = response.Group;
        if ((uint)number >= Groups || _groups[number] is not { } group || !IsFor(response.Pasid, group.Pasid))
        {
            _capability.ReportUnexpectedGroup();
            return;
        }

        if (response.Code is not (PageResponseCode.Success or PageResponseCode.InvalidRequest))
        {
            _capability.Fail();
            EndAll(PageResponseCode.Failure);
            return;
        }

        _groups[number] = null;
        _capability.Complete(group.Pages);
        group.Answered(response.Code);
    }

    // A response may leave the PASID out unless the device insists on it.
    private bool IsFor(Pasid? inResponse, Pasid? ofGroup) =>
        inResponse == ofGroup || (inResponse is null && !_capability.ResponsesNeedPasid);

    // In turn, so that a number rests before it is used again.
    private bool TryFindNumber(out int number)
    {
        for (int tried = 0; tried < Groups; tried++)
        {
            number = _next;
            _next = (_next + 1) % Groups;
            if (_groups[number] is null)
                return true;
        }

        number = -1;
        return false;
    }

    private void EndAll(PageResponseCode code)
    {
        for (int number = 0; number < Groups; number++)
        {
            if (_groups[number] is not { } group)
                continue;
            _groups[number] = null;
            group.Answered(code);
        }
    }

    private sealed record Group(Pasid? Pasid, uint Pages, Action<PageResponseCode> Answered);
}
