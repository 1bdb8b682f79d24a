using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma run management-device</c>: VMs and the host talk by virtual management devices.</summary>
internal sealed class RunManagementDevice : TracedVerb
{
    private readonly Option<string?> _folder = new("--folder")
    {
        Description = "A directory of this computer that VM 1 is granted. Without it, a folder in memory.",
        HelpName = "DIR",
    };

    private readonly Option<bool> _writable = new("--writable")
    {
        Description = "Let VM 1 write into the directory, at most 1 MiB; otherwise it may only read.",
    };

    /// <summary>The verb.</summary>
    public RunManagementDevice(Terminal terminal)
        : base("management-device", "VMs and the host talk by virtual management devices: files, chat, calculation, statistics for the scheduler.", terminal) => Add(_folder, _writable);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["run management-device", "run management-device --folder ./shared --json", "run management-device --trace timeline.json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson)
    {
        string? path = line.GetValue(_folder);
        if (path is null && line.GetValue(_writable))
            return Terminal.Refuse("--writable is about a directory: name it with --folder.");
        using HostFolder? folder = path is null ? null : HostFolder.TryOpen(path, line.GetValue(_writable));
        if (path is not null && folder is null)
            return Terminal.Refuse($"'{path}' is no directory that can be granted; that needs a directory, and Linux from 5.6 on.");
        ManagementReport report = new ManagementRun(new() { Folder = folder, FolderName = path ?? "in memory", Seed = seed, Trace = trace }).Run();
        if (isJson)
            Terminal.WriteJson(report, ManagementJson.Default.ManagementReport);
        else
            ManagementView.Write(Terminal.Output, report);
        return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
    }
}
