using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Walks every requester, PASID and page that the tables in memory reach, and says what isolation suffers from.</summary>
/// <remarks>
/// Memory is only read, and may hold anything: what hardware would refuse is written down as the fault that
/// hardware would raise, and the walk goes on elsewhere. What a unit has cached is not in memory and not seen here.
/// </remarks>
public sealed class TableAudit
{
    private const int TablesAsOwner = 32_767;
    private const int ReachedMax = 1 << 20;

    private readonly AuditRequest _request;
    private readonly AuditLog _log;
    private readonly TablePages _pages = new();
    private readonly DomainInventory _domains;
    private readonly Dictionary<AuditedRange, AuditFinding> _shared = [];
    private readonly HashSet<(int Domain, ulong Frame, ulong Frames, bool Writes)> _reached = [];

    private TableAudit(AuditRequest request)
    {
        _request = request;
        _log = new(request.Limits);
        _domains = new(_log);
    }

    /// <summary>Audits tables.</summary>
    /// <param name="memory">The memory in which they are.</param>
    /// <param name="request">Where they begin, and for which unit they are.</param>
    public static AuditReport Run(PhysicalMemory memory, AuditRequest request) => new TableAudit(request).Run(memory);

    private AuditReport Run(PhysicalMemory memory)
    {
        // 1. Who has an entry, and which tables are behind it.
        IReadOnlyList<AuditedFunction> functions = new RequesterInventory(memory, _request, _log, _pages, _domains).Read();
        IReadOnlyList<AuditedInterrupt>? interrupts = _request.InterruptTable is { } table
            ? new InterruptTableAudit(memory, _request.Profile, _log, _pages).Read(table)
            : null;

        // 2. Where all tables are, so that a domain which reaches one is found whichever is walked first.
        FrameOwners owners = new(_request.Limits.PartialBlocksMax);
        RunCollector runs = new(owners, _request.Limits.RunsListedMax) { Overlapping = Overlapping };
        PagingAudit paging = new(memory, _request, _log, runs);
        foreach (AuditedDomain domain in _domains.Domains)
            paging.CollectTables(domain.Tables, _pages);
        List<FrameOwners.Overlap> none = [];
        foreach (ulong page in _pages.Pages.Order())
            owners.Give(new(TablesAsOwner, false), page, 1, none);

        // 3. What each domain maps.
        for (int index = 0; index < _domains.Domains.Count; index++)
            paging.Walk(_domains.Domains[index], index + 1);
        if (owners.Overflowed)
            _log.Incompletely($"Frames were compared only until {_request.Limits.PartialBlocksMax} blocks of memory were mapped in part.");
        foreach (AuditFinding finding in _shared.Values)
            _log.AddFinding(finding);
        return new()
        {
            Request = _request,
            Functions = functions,
            Domains = _domains.Domains,
            Interrupts = interrupts,
            Faults = _log.Faults,
            FaultCounts = _log.FaultCounts,
            Findings = _log.Findings,
            FindingCount = _log.ViolationCount + _log.NoticeCount,
            ViolationCount = _log.ViolationCount,
            TablePages = _pages.Count,
            Incomplete = _log.Incomplete,
        };
    }

    private void Overlapping(AuditedDomain domain, MappedRun run, FrameOwners.Overlap overlap)
    {
        if (overlap.First.Number == TablesAsOwner)
            ReachesTables(domain, run, overlap);
        else
            Shares(domain, run, overlap);
    }

    private void ReachesTables(AuditedDomain domain, MappedRun run, FrameOwners.Overlap overlap)
    {
        // Once for a domain, however many addresses lead there.
        if (_reached.Count < ReachedMax && !_reached.Add((overlap.Second.Number, overlap.Frame, overlap.Frames, overlap.Second.Writes)))
            return;
        for (ulong done = 0; done < overlap.Frames;)
        {
            AuditStructure structure = _pages[overlap.Frame + done];
            ulong count = 1;
            while (done + count < overlap.Frames && _pages[overlap.Frame + done + count] == structure)
                count++;
            _log.AddFinding(new(
                overlap.Second.Writes ? AuditFindingKind.TableWritable : AuditFindingKind.TableReadable,
                new(new((overlap.Frame + done) << 12), count << 12),
                [domain],
                new(run.Address.Value + ((overlap.Offset + done) << 12)),
                structure));
            done += count;
        }
    }

    private void Shares(AuditedDomain domain, MappedRun run, FrameOwners.Overlap overlap)
    {
        AuditedRange range = new(new(overlap.Frame << 12), overlap.Frames << 12);
        if (_request.SharedOnPurpose.Any(purpose => purpose.Covers(range)))
            return;
        AuditedDomain first = _domains.Domains[overlap.First.Number - 1];
        AuditFindingKind kind = overlap.First.Writes || overlap.Second.Writes
            ? AuditFindingKind.FrameSharedWritable
            : AuditFindingKind.FrameSharedReadOnly;
        Iova address = new(run.Address.Value + (overlap.Offset << 12));
        if (_shared.TryGetValue(range, out AuditFinding? known))
        {
            _shared[range] = known with
            {
                Kind = known.Kind == AuditFindingKind.FrameSharedWritable ? known.Kind : kind,
                Domains = [.. known.Domains.Append(domain).Distinct()],
                Address = address,
            };
        }
        else if (_shared.Count < _request.Limits.FindingsListedMax)
        {
            _shared.Add(range, new(kind, range, [first, domain], address));
        }
        else
        {
            _log.AddFinding(new(kind, range, [first, domain], address));
        }
    }
}
