using System.CommandLine;
using System.Text.Json;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Lab;

/// <summary><c>dma audit</c>: what the tables in a memory image let devices reach.</summary>
internal sealed class Audit : Verb
{
    private readonly Option<string> _memory = new("--memory")
    {
        Description = "The memory of a machine: raw, as QEMU's pmemsave writes it from address 0 on, or an ELF core, as dump-guest-memory does; gzip or not.",
        HelpName = "FILE",
        Required = true,
    };

    private readonly HexOption _root = new("--root")
    {
        Description = "The address of the root table: RTADDR without its low 12 bits.",
        Required = true,
    };

    private readonly WordOption _mode = new("--mode", "How the tables are to be read, bits 11:10 of RTADDR", "legacy", "scalable");

    private readonly HexOption _interrupts = new("--irta")
    {
        Description = "The register IRTA, with its low bits: where the interrupt remapping table is, and how long. Without it, interrupts are not looked at.",
    };

    private readonly WordOption _format = new("--format", "What the file is", "detect", "raw", "elf");

    private readonly Option<bool> _all = new("--all")
    {
        Description = "List everything; otherwise each list is cut after some lines, with the number of those left out.",
    };

    private readonly JsonOption _json = new("the report as one JSON object, with all lists");

    /// <summary>The verb.</summary>
    public Audit(Terminal terminal)
        : base("audit", "Walk all tables in a memory image: what each device reaches, what domains share, what is broken.", terminal) => Add(_memory, _root, _mode, _interrupts, _format, _all, _json);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "audit --memory memory.img --root 0x100000",
        "audit --memory dump.elf.gz --root 0x29d2000 --mode scalable --irta 0x100000f --json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        string path = line.GetRequiredValue(_memory);
        ulong root = line.GetValue(_root)!.Value;
        if ((root & 0xFFF) != 0)
            return Terminal.Refuse($"A root table lies at a multiple of 4096, not at {root:x}h. Of RTADDR, bits 11:10 are the mode: --root 0x{root & ~0xFFFul:x} --mode {((root >> 10 & 3) == 1 ? "scalable" : "legacy")}.");
        MemoryImageFormat format = Enum.Parse<MemoryImageFormat>(line.GetRequiredValue(_format), ignoreCase: true);
        if (Problem(path) is { } problem)
            return Terminal.Refuse(problem);
        PhysicalMemory? memory;
        using (ProgressLine progress = new(Terminal, "loaded", "MiB", 1 << 20))
        {
            if (!MemoryImage.TryLoad(path, format, default, out memory, out string error, progress.Report))
                return Terminal.Refuse(error + ".");
        }

        using (memory)
            return Run(line, path, memory);
    }

    private int Run(ParseResult line, string path, PhysicalMemory memory)
    {
        PhysicalAddress root = new(line.GetValue(_root)!.Value);
        if (!memory.IsBacked(root, 4096))
            return Terminal.Refuse($"{path}: the image has no memory at {root.Value:x}h for a root table; it has {Extents(memory)}.");
        if (line.GetValue(_interrupts) is { } irta && !memory.IsBacked(new InterruptTableAddress(new(irta)).Table, 4096))
            return Terminal.Refuse($"{path}: the image has no memory at {irta & ~0xFFFul:x}h for an interrupt remapping table; it has {Extents(memory)}.");

        AuditReport report;
        using (ProgressLine progress = new(Terminal, "walked", "pages of tables", 1))
        {
            report = TableAudit.Run(memory, new()
            {
                Root = root,
                Mode = line.GetRequiredValue(_mode) == "scalable" ? TranslationTableMode.Scalable : TranslationTableMode.Legacy,
                InterruptTable = line.GetValue(_interrupts) is { } value ? new InterruptTableAddress(new(value)) : null,
                Progress = progress.Report,
            });
        }

        TextWriter output = Terminal.Output.Profile.Out.Writer;
        if (!line.GetValue(_json))
        {
            new AuditView(Terminal.Output, line.GetValue(_all)).Write(report);
        }
        else
        {
            using (AsciiStream stream = new(output))
            using (Utf8JsonWriter json = new(stream, new() { Indented = true }))
                AuditJson.Write(json, report);
            output.WriteLine();
        }

        return report.IsIsolated ? ExitCode.Ok : ExitCode.Violation;
    }

    // Looked at before it is opened: opening a pipe would wait for its other end.
    private static string? Problem(string path)
    {
        if (Directory.Exists(path))
            return $"The image '{path}' is a directory.";
        if (!File.Exists(path))
            return $"The image '{path}' does not exist.";
        FileInfo file = new(path);
        return (file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file).Length == 0
            ? $"The image '{path}' is empty, or no regular file."
            : null;
    }

    private static string Extents(PhysicalMemory memory) => string.Join(" and ", memory.Extents
        .OrderBy(extent => extent.Start)
        .Select(extent => $"{extent.Start.Value:x}h to {extent.Start.Value + extent.Length - 1:x}h"));
}
