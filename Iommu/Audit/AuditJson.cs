using System.Text.Json;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Writes an audit as JSON: numbers that are addresses or raw bits as hexadecimal text, flags as 0 and 1.</summary>
/// <remarks>
/// <c>functions</c>, <c>tables</c> and <c>irt</c> list what is sound as it is in memory; what is broken carries
/// <c>fault</c> besides, a list that was shortened <c>truncated</c>.
/// </remarks>
public static class AuditJson
{
    /// <summary>Writes a report as one object.</summary>
    public static void Write(Utf8JsonWriter json, AuditReport report)
    {
        json.WriteStartObject();
        json.WriteString("mode", report.Request.Mode == TranslationTableMode.Scalable ? "scalable" : "legacy");
        json.WriteString("root", Hex(report.Request.Root.Value));
        WriteFunctions(json, report);
        WriteList(json, "tables", report.Domains, WriteDomain);
        WriteInterrupts(json, report);
        WriteList(json, "faults", report.Faults, WriteFault);
        json.WriteStartObject("fault_counts");
        foreach ((FaultReason reason, long count) in report.FaultCounts)
            json.WriteNumber(Hex((ulong)reason), count);
        json.WriteEndObject();
        WriteList(json, "findings", report.Findings, WriteFinding);
        json.WriteNumber("finding_count", report.FindingCount);
        json.WriteNumber("violation_count", report.ViolationCount);
        json.WriteNumber("pages_of_tables", report.TablePages);
        json.WriteStartArray("incomplete");
        foreach (string reason in report.Incomplete)
            json.WriteStringValue(reason);
        json.WriteEndArray();
        json.WriteBoolean("isolated", report.IsIsolated);
        json.WriteEndObject();
    }

    private static void WriteFunctions(Utf8JsonWriter json, AuditReport report)
    {
        // Many functions may share a directory of many PASIDs.
        int pasidsLeft = report.Request.Limits.PasidsMax;
        json.WriteStartArray("functions");
        foreach (AuditedFunction function in report.Functions)
        {
            if (report.Request.Mode == TranslationTableMode.Scalable)
                WriteScalable(json, function, ref pasidsLeft);
            else
                WriteLegacy(json, function);
        }

        json.WriteEndArray();
    }

    private static void WriteLegacy(Utf8JsonWriter json, AuditedFunction function)
    {
        ContextEntry entry = function.Legacy;
        WriteFunction(json, function, entry.FaultProcessingDisable);
        json.WriteNumber("tt", (int)entry.TranslationType);
        json.WriteNumber("aw", (int)entry.AddressWidth);
        json.WriteNumber("did", entry.DomainId.Value);
        WriteMap(json, function.Domain, function.Fault);
        json.WriteEndObject();
    }

    private static void WriteScalable(Utf8JsonWriter json, AuditedFunction function, ref int pasidsLeft)
    {
        ScalableContextEntry entry = function.Scalable;
        WriteFunction(json, function, entry.FaultProcessingDisable);
        json.WriteNumber("rid_pasid", entry.RequesterPasid.Value);
        json.WriteNumber("pdts", entry.PasidDirectorySize);
        json.WriteString("pasid_dir", Hex(entry.PasidDirectory.Value));
        int pasids = Math.Min(pasidsLeft, function.Pasids.Count);
        pasidsLeft -= pasids;
        WriteList(json, "pasids", function.Pasids.Take(pasids), WritePasid);
        if (pasids < function.Pasids.Count)
            json.WriteBoolean("truncated", true);
        WriteMap(json, null, function.Fault);
        json.WriteEndObject();
    }

    private static void WriteFunction(Utf8JsonWriter json, AuditedFunction function, bool disabled)
    {
        json.WriteStartObject();
        json.WriteString("bdf", function.Source.ToString());
        json.WriteString("ctx_addr", Hex(function.Entry.Value));
        WriteWords(json, "ctx", function.Raw.Word0, function.Raw.Word1);
        json.WriteNumber("fpd", disabled ? 1 : 0);
    }

    private static void WritePasid(Utf8JsonWriter json, AuditedPasid pasid)
    {
        Bits512 raw = pasid.Entry.Raw;
        json.WriteStartObject();
        json.WriteNumber("pasid", pasid.Pasid.Value);
        WriteWords(json, "entry", raw.Word0, raw.Word1, raw.Word2, raw.Word3, raw.Word4, raw.Word5, raw.Word6, raw.Word7);
        json.WriteNumber("pgtt", (int)pasid.Entry.TranslationType);
        json.WriteNumber("did", pasid.Entry.DomainId.Value);
        WriteMap(json, pasid.Domain, pasid.Fault);
        json.WriteEndObject();
    }

    private static void WriteMap(Utf8JsonWriter json, AuditedDomain? domain, FaultReason fault)
    {
        if (domain is not null)
        {
            json.WriteString("map", Hex(domain.Tables.Root.Value));
            if (domain.Tables.Stage == PasidTranslationType.Nested)
                json.WriteString("second", Hex(domain.Tables.SecondRoot.Value));
        }

        if (fault != FaultReason.None)
            json.WriteString("fault", Hex((ulong)fault));
    }

    private static void WriteDomain(Utf8JsonWriter json, AuditedDomain domain)
    {
        bool first = domain.Tables.Stage != PasidTranslationType.SecondStage;
        json.WriteStartObject();
        json.WriteString("table", Hex(domain.Tables.Root.Value));
        json.WriteNumber("levels", domain.Tables.Levels);
        json.WriteString("format", domain.Tables.Stage switch
        {
            PasidTranslationType.FirstStage => "first-stage",
            PasidTranslationType.Nested => "nested",
            _ => "second-stage",
        });
        if (domain.Tables.Stage == PasidTranslationType.Nested)
        {
            json.WriteString("second", Hex(domain.Tables.SecondRoot.Value));
            json.WriteNumber("second_levels", domain.Tables.SecondLevels);
        }

        json.WriteNumber("leaves", domain.Pages);
        json.WriteStartObject("by_size");
        WriteCount(json, 12, domain.Pages4K);
        WriteCount(json, 21, domain.Pages2M);
        WriteCount(json, 30, domain.Pages1G);
        json.WriteEndObject();
        json.WriteStartArray("runs");
        foreach (MappedRun run in domain.Runs)
            WriteRun(json, run, first);
        json.WriteEndArray();
        if (domain.RunsTruncated)
            json.WriteBoolean("truncated", true);
        json.WriteEndObject();
    }

    private static void WriteCount(Utf8JsonWriter json, int shift, ulong count)
    {
        if (count != 0)
            json.WriteNumber(Hex(1ul << shift), count);
    }

    private static void WriteRun(Utf8JsonWriter json, MappedRun run, bool first)
    {
        json.WriteStartObject();
        json.WriteString("iova", Hex(run.Address.Value));
        json.WriteString("gpa", Hex(run.Target.Value));
        json.WriteString("len", Hex(run.Length));
        json.WriteNumber("r", Flag(run.Rights, MappingRights.Read));
        json.WriteNumber("w", Flag(run.Rights, MappingRights.Write));
        if (first)
        {
            json.WriteNumber("x", Flag(run.Rights, MappingRights.Execute));
            json.WriteNumber("u", Flag(run.Rights, MappingRights.User));
        }

        json.WriteString("page", Hex(1ul << run.PageShift));
        json.WriteEndObject();
    }

    private static void WriteInterrupts(Utf8JsonWriter json, AuditReport report)
    {
        if (report.Interrupts is null || report.Request.InterruptTable is not { } table)
            return;
        json.WriteStartObject("irt");
        json.WriteString("base", Hex(table.Table.Value));
        json.WriteNumber("entries", 2 << table.SizeCode);
        json.WriteNumber("eime", table.ExtendedInterruptMode ? 1 : 0);
        WriteList(json, "present", report.Interrupts, WriteInterrupt);
        json.WriteEndObject();
    }

    private static void WriteInterrupt(Utf8JsonWriter json, AuditedInterrupt interrupt)
    {
        InterruptRemappingEntry entry = interrupt.Entry;
        json.WriteStartObject();
        json.WriteNumber("index", interrupt.Index);
        json.WriteString("lo", Hex(entry.Raw.Word0));
        json.WriteString("hi", Hex(entry.Raw.Word1));
        json.WriteNumber("vector", entry.Vector);
        if (entry.IsPosted)
        {
            PostedInterrupt posted = new(entry.Raw);
            json.WriteNumber("im", 1);
            json.WriteString("pda", Hex(posted.Descriptor.Value));
            json.WriteNumber("urg", posted.Urgent ? 1 : 0);
        }
        else
        {
            RemappedInterrupt remapped = new(entry.Raw);
            json.WriteString("dest", Hex(remapped.Destination));
            json.WriteNumber("dlm", (int)remapped.DeliveryMode);
            json.WriteNumber("tm", remapped.LevelTriggered ? 1 : 0);
        }

        json.WriteString("sid", Hex(entry.Source.Value));
        json.WriteNumber("sq", (int)entry.SourceQualifier);
        json.WriteNumber("svt", (int)entry.SourceValidation);
        WriteMap(json, null, interrupt.Fault);
        json.WriteEndObject();
    }

    private static void WriteFault(Utf8JsonWriter json, AuditFault fault)
    {
        json.WriteStartObject();
        json.WriteString("structure", fault.Structure.ToString());
        if (fault.Level != 0)
            json.WriteNumber("level", fault.Level);
        json.WriteString("entry", Hex(fault.Entry.Value));
        json.WriteString("raw", Hex(fault.Raw));
        json.WriteString("reason", Hex((ulong)fault.Reason));
        json.WriteString("name", fault.Reason.ToString());
        if (fault.Domain is { } domain)
        {
            json.WriteString("table", Hex(domain.Tables.Root.Value));
            json.WriteString("iova", Hex(fault.Address.Value));
        }
        else if (fault.Structure == AuditStructure.InterruptTable)
        {
            json.WriteNumber("index", fault.Address.Value);
        }

        json.WriteEndObject();
    }

    private static void WriteFinding(Utf8JsonWriter json, AuditFinding finding)
    {
        json.WriteStartObject();
        json.WriteString("kind", finding.Kind.ToString());
        json.WriteBoolean("violation", finding.IsViolation);
        if (finding.Source is { } source)
            json.WriteString("bdf", source.ToString());
        if (finding.Pasid is { } pasid)
            json.WriteNumber("pasid", pasid);
        if (finding.Index is { } index)
            json.WriteNumber(finding.Kind == AuditFindingKind.InterruptOfAnyRequester ? "index" : "did", index);
        if (finding.Range.Length != 0)
        {
            json.WriteString("frame", Hex(finding.Range.Start.Value));
            json.WriteString("len", Hex(finding.Range.Length));
            json.WriteString("iova", Hex(finding.Address.Value));
        }

        if (finding.Structure is { } structure)
            json.WriteString("structure", structure.ToString());
        if (finding.Domains.Count != 0)
        {
            json.WriteStartArray("tables");
            foreach (AuditedDomain domain in finding.Domains)
                json.WriteStringValue(Hex(domain.Tables.Root.Value));
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteList<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
            write(json, item);
        json.WriteEndArray();
    }

    private static void WriteWords(Utf8JsonWriter json, string name, params ReadOnlySpan<ulong> words)
    {
        json.WriteStartArray(name);
        foreach (ulong word in words)
            json.WriteStringValue(Hex(word));
        json.WriteEndArray();
    }

    private static int Flag(MappingRights rights, MappingRights flag) => (rights & flag) != 0 ? 1 : 0;

    private static string Hex(ulong value) => $"0x{value:x}";
}
