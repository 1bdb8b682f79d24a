using System.Globalization;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Spectre.Console;

namespace Dma.Lab;

/// <summary>An audit for a person: who is translated by which tables, what they map, what is wrong, and the verdict in one line.</summary>
/// <remarks>Lists are plain lines, one for each item, so that millions of them can be written and searched.</remarks>
/// <param name="console">Where to write.</param>
/// <param name="all">Whether lists are whole.</param>
internal sealed class AuditView(IAnsiConsole console, bool all)
{
    private const int LinesOfList = 12;

    private readonly TextWriter _out = console.Profile.Out.Writer;

    /// <summary>Writes the report.</summary>
    public void Write(AuditReport report)
    {
        Functions(report);
        foreach (AuditedDomain domain in Shown(report.Domains, "domains"))
            Domain(domain);
        if (report.Interrupts is { } interrupts)
            List("Interrupt entries", "index  vector  destination  source     validation  fault", interrupts, Line);
        List("Broken entries, and what hardware reports for whatever comes by", "structure         level  entry               raw                 reason", report.Faults, Line, report.FaultCounts.Values.Sum());
        List("Findings", "what", report.Findings, Line, report.FindingCount);
        Verdict(report);
    }

    private void Functions(AuditReport report)
    {
        bool scalable = report.Request.Mode == TranslationTableMode.Scalable;
        List(
            $"Requesters in the {(scalable ? "scalable" : "legacy")}-mode tables at {Hex(report.Request.Root.Value)}",
            "requester  context entry       translation",
            report.Functions,
            function => $"{function.Source,-9}  {Hex(function.Entry.Value),-18}  {(function.Fault != FaultReason.None ? Reason(function.Fault) : scalable ? Pasids(function) : Legacy(function))}");
    }

    private static string Legacy(AuditedFunction function) => function.Domain is { } domain
        ? $"domain-id {function.Legacy.DomainId.Value}, tables at {Hex(domain.Tables.Root.Value)}"
        : $"domain-id {function.Legacy.DomainId.Value}, none: passes through";

    private static string Pasids(AuditedFunction function)
    {
        string requests = $"requests without PASID use {function.Scalable.RequesterPasid.Value}";
        IEnumerable<string> first = function.Pasids.Take(4).Select(pasid => $"{pasid.Pasid.Value}: {Pasid(pasid)}");
        string more = function.Pasids.Count > 4 ? $"; and {function.Pasids.Count - 4:N0} more PASIDs" : "";
        return $"{requests}; {string.Join("; ", first)}{more}";
    }

    private static string Pasid(AuditedPasid pasid) => pasid.Fault != FaultReason.None
        ? Reason(pasid.Fault)
        : pasid.Domain is { } domain
            ? $"domain-id {pasid.Entry.DomainId.Value}, tables at {Hex(domain.Tables.Root.Value)}"
            : "none: passes through";

    private void Domain(AuditedDomain domain)
    {
        AuditedTables tables = domain.Tables;
        string stage = tables.Stage switch
        {
            PasidTranslationType.FirstStage => "first stage",
            PasidTranslationType.Nested => string.Create(CultureInfo.InvariantCulture, $"first stage over a second one of {tables.SecondLevels} levels at {Hex(tables.SecondRoot.Value)}"),
            _ => "second stage",
        };
        string ids = string.Join(", ", domain.Ids.Select(id => id.Value));
        List(
            $"Tables at {Hex(tables.Root.Value)}, {stage}, {tables.Levels} levels, domain-id {ids}: {Pages(domain)}",
            "address             target              length              page  rights",
            domain.Runs,
            run => $"{Hex(run.Address.Value),-18}  {Hex(run.Target.Value),-18}  {Hex(run.Length),-18}  {Size(run.PageShift),-4}  {Rights(run.Rights, tables.Stage)}");
        if (domain.RunsTruncated)
            _out.WriteLine("  … and runs that no list has: there are too many");
    }

    private static string Pages(AuditedDomain domain)
    {
        (ulong Count, int Shift)[] sizes = [(domain.Pages4K, 12), (domain.Pages2M, 21), (domain.Pages1G, 30)];
        string[] parts = [.. sizes.Where(size => size.Count != 0).Select(size => string.Create(CultureInfo.InvariantCulture, $"{size.Count:N0} of {Size(size.Shift)}"))];
        return parts.Length == 0 ? "nothing is mapped" : $"pages: {string.Join(", ", parts)}";
    }

    private static string Line(AuditedInterrupt interrupt)
    {
        InterruptRemappingEntry entry = interrupt.Entry;
        string destination = entry.IsPosted
            ? $"posted {Hex(new PostedInterrupt(entry.Raw).Descriptor.Value)}"
            : Hex(new RemappedInterrupt(entry.Raw).Destination);
        string source = entry.SourceValidation == SourceValidationType.None ? "any" : entry.Source.ToString();
        return $"{interrupt.Index,5}  {Hex(entry.Vector),-6}  {destination,-11}  {source,-9}  {entry.SourceValidation,-10}  {(interrupt.Fault == FaultReason.None ? "" : Reason(interrupt.Fault))}";
    }

    private static string Line(AuditFault fault)
    {
        string level = fault.Level == 0 ? "" : fault.Level.ToString(CultureInfo.InvariantCulture);
        string by = fault.Domain is { } domain ? $", first met at {Hex(fault.Address.Value)} of the tables at {Hex(domain.Tables.Root.Value)}" : "";
        return $"{fault.Structure,-16}  {level,5}  {Hex(fault.Entry.Value),-18}  {Hex(fault.Raw),-18}  {Reason(fault.Reason)}{by}";
    }

    private static string Line(AuditFinding finding)
    {
        string frames = $"{Hex(finding.Range.Start.Value)}, {finding.Range.Length >> 12:N0} pages";
        string tables = string.Join(" and ", finding.Domains.Select(domain => $"the tables at {Hex(domain.Tables.Root.Value)}"));
        string source = finding.Pasid is { } pasid ? $"{finding.Source}, PASID {pasid} and maybe more," : $"{finding.Source}";
        string text = finding.Kind switch
        {
            AuditFindingKind.TableWritable => $"a device can write tables ({finding.Structure}) at {frames}: address {Hex(finding.Address.Value)} of {tables}",
            AuditFindingKind.TableReadable => $"a device can read tables ({finding.Structure}) at {frames}: address {Hex(finding.Address.Value)} of {tables}",
            AuditFindingKind.FrameSharedWritable => $"shared, and one may write it: {frames}, by {tables}",
            AuditFindingKind.FrameSharedReadOnly => $"shared, read only: {frames}, by {tables}",
            AuditFindingKind.PassThrough => $"{source} is not translated: it reaches all memory",
            AuditFindingKind.DomainIdOfTwoDomains => $"domain-id {finding.Index} has two sets of tables: {tables}",
            AuditFindingKind.TranslatedRequestsPass => $"{source} may say that its requests are translated already",
            _ => $"interrupt entry {finding.Index} serves any requester",
        };
        return (finding.IsViolation ? "VIOLATION  " : "notice     ") + text;
    }

    private void Verdict(AuditReport report)
    {
        _out.WriteLine();
        foreach (string reason in report.Incomplete)
            console.MarkupLineInterpolated($"[yellow]Incomplete:[/] {reason}");
        string counts = string.Create(
            CultureInfo.InvariantCulture,
            $"{Counted.Of((ulong)report.Functions.Count, "requester")}, {Counted.Of((ulong)report.Domains.Count, "set of tables", "sets of tables")} in {Counted.Of((ulong)report.TablePages, "page")}, {Counted.Of((ulong)report.FaultCounts.Values.Sum(), "broken entry", "broken entries")}, {Counted.Of((ulong)(report.FindingCount - report.ViolationCount), "notice")}, {Counted.Of((ulong)report.ViolationCount, "violation")}.");
        string verdict = report.Functions.Count == 0 ? "[yellow]Nothing to judge:[/] no requester has an entry that can be followed. Is this the root table, and the right mode?" : report.IsIsolated ? "[green]Isolated:[/]" : report.ViolationCount != 0 ? "[red]VIOLATED:[/]" : "[yellow]Not known to be isolated:[/]";
        console.MarkupLine($"{verdict} {Markup.Escape(counts)}");
    }

    private void List<T>(string title, string heads, IReadOnlyList<T> items, Func<T, string> line, long? count = null)
    {
        if (items.Count == 0)
        {
            if (typeof(T) == typeof(MappedRun))
                _out.WriteLine($"\n{title}");
            return;
        }

        _out.WriteLine();
        console.Write(new Text(title, new(decoration: Decoration.Bold)) { Overflow = Overflow.Fold });
        _out.WriteLine();
        _out.WriteLine($"  {heads}");
        int shown = all ? items.Count : Math.Min(items.Count, LinesOfList);
        for (int index = 0; index < shown; index++)
            _out.WriteLine($"  {line(items[index]).TrimEnd()}");
        LeftOut((count ?? items.Count) - shown, "more", shown < items.Count);
    }

    private IEnumerable<T> Shown<T>(IReadOnlyList<T> items, string what)
    {
        int shown = all ? items.Count : Math.Min(items.Count, LinesOfList);
        for (int index = 0; index < shown; index++)
            yield return items[index];
        LeftOut(items.Count - shown, $"more {what}", true);
    }

    private void LeftOut(long count, string what, bool listed)
    {
        if (count > 0)
            _out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  … and {count:N0} {what}{(listed ? ": --all lists them" : "")}"));
    }

    private static string Rights(MappingRights rights, PasidTranslationType stage)
    {
        string text = (rights.HasFlag(MappingRights.Read) ? "r" : "-") + (rights.HasFlag(MappingRights.Write) ? "w" : "-");
        return stage == PasidTranslationType.SecondStage
            ? text
            : text + (rights.HasFlag(MappingRights.Execute) ? "x" : "-") + (rights.HasFlag(MappingRights.User) ? "u" : "-");
    }

    private static string Size(int shift) => shift switch { 12 => "4K", 21 => "2M", _ => "1G" };

    private static string Reason(FaultReason reason) => $"{(int)reason:X}h {reason}";

    private static string Hex(ulong value) => $"0x{value:x}";
}
