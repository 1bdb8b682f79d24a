using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma run</c>: a scenario by its name, or a world program from a file.</summary>
internal sealed class RunScenario : Verb
{
    private const long FileBytesMax = 16 << 20;

    private readonly Option<string?> _program = new("--program")
    {
        Description = "Play a world program instead of a scenario, such as a finding of 'dma check isolation'.",
        HelpName = "FILE",
    };

    private readonly JsonOption _json = new();

    /// <summary>The verb.</summary>
    public RunScenario(Terminal terminal)
        : base("run", "Run a scenario and report what happened.", terminal)
    {
        Add(_program, _json);
        Add(new RunDirectDma(terminal));
        Add(new RunRogueDevices(terminal));
        Add(new RunManagementDevice(terminal));
        Add(new RunAddressReplacement(terminal));
        Add(new RunRoundRobin(terminal));
        Add(new RunRegisterSets(terminal));
        Add(new RunMergedSchedules(terminal));
        Add(new RunDummyDevices(terminal));
        Add(new RunServiceVm(terminal));
        Add(new RunServiceVmModels(terminal));
        Add(new RunExitlessPolling(terminal));
        Add(new RunUserLevelMonitor(terminal));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["run --program isolation-1.world"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        if (line.GetValue(_program) is not { } path)
            return Terminal.Refuse($"'dma run' needs a scenario, {string.Join(" or ", Subcommands.Select(scenario => scenario.Name))}, or --program FILE.");
        WorldProgram program;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > FileBytesMax })
                return Terminal.Refuse($"{path}: a world program has {FileBytesMax} bytes at most.");
            program = WorldProgramReader.Read(File.ReadAllText(path));
        }
        catch (WorldProgramException problem)
        {
            return Terminal.Refuse($"{path}: {problem.Message}");
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return Terminal.Refuse($"The program cannot be read: {refusal.Message}");
        }

        WorldFinding? found = WorldPlayer.Play(program);
        IsolationFinding? finding = found is null ? null : IsolationFinding.Of(program, found, world: null, file: null);
        IsolationReport report = new(null, 1, 0, 0, 1, [.. program.Without.Select(protection => protection.Name)], finding);
        if (line.GetValue(_json))
            Terminal.WriteJson(report, IsolationJson.Default.IsolationReport);
        else
            IsolationView.Write(Terminal.Output, report);
        return finding is null ? ExitCode.Ok : ExitCode.Violation;
    }
}
