namespace Dma.Iommu;

/// <summary>Puts pages together to runs, lists them, and gives their frames to the domain.</summary>
/// <param name="owners">Who reaches which frame.</param>
/// <param name="runsListedMax">How many runs are listed, over all domains.</param>
internal sealed class RunCollector(FrameOwners owners, int runsListedMax)
{
    private readonly List<FrameOwners.Overlap> _overlaps = [];
    private AuditedDomain? _domain;
    private int _number;
    private int _listed;
    private ulong _address;
    private ulong _target;
    private ulong _length;
    private int _pageShift;
    private byte _rights;

    /// <summary>Whether a run more would be listed.</summary>
    public bool Lists => _listed < runsListedMax;

    /// <summary>Takes what overlaps with an earlier owner, run by run.</summary>
    public required Action<AuditedDomain, MappedRun, FrameOwners.Overlap> Overlapping { get; init; }

    /// <summary>Begins a domain.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="number">Its number as an owner of frames.</param>
    public void Begin(AuditedDomain domain, int number)
    {
        _domain = domain;
        _number = number;
    }

    /// <summary>Tells that the pages of a last-level table come next, whose entries point at host memory.</summary>
    public void Expect(ReadOnlySpan<ulong> entries) => owners.Expect(entries);

    /// <summary>Takes a page, or a part of one.</summary>
    public void Add(ulong address, ulong target, ulong length, int pageShift, byte rights)
    {
        if (address == _address + _length && target == _target + _length && rights == _rights && pageShift == _pageShift && _length != 0)
        {
            _length += length;
            return;
        }

        Close();
        _address = address;
        _target = target;
        _length = length;
        _pageShift = pageShift;
        _rights = rights;
    }

    /// <summary>Ends the run, because what follows is not known or there is nothing more.</summary>
    public void Close()
    {
        if (_length == 0)
            return;
        MappedRun run = new(new(_address), new(_target), _length, _pageShift, (MappingRights)_rights);
        _length = 0;
        if (Lists)
        {
            _listed++;
            _domain!.Add(run);
        }
        else
        {
            _domain!.RunsTruncated = true;
        }

        owners.Give(new(_number, _domain.Tables.Writable(run.Rights)), run.Target.Page, run.Length >> 12, _overlaps);
        foreach (FrameOwners.Overlap overlap in _overlaps)
            Overlapping(_domain, run, overlap);
        _overlaps.Clear();
    }
}
