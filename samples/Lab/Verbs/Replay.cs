using System.CommandLine;
using System.IO.Enumeration;
using Dma.Iommu;

namespace Dma.Lab;

/// <summary><c>dma replay</c>: recorded scripts for a remapping unit, held against ours step by step.</summary>
internal sealed class Replay : Verb
{
    private readonly Argument<string> _file = new("FILE")
    {
        Description = $"Recorded cases, a JSON file of the format {CaseFile.Format}.",
    };

    private readonly Option<string?> _only = new("--only")
    {
        Description = "Only the cases whose name begins with this; or, with * or ? in it, whose whole name is like this.",
        HelpName = "ID",
    };

    private readonly ProfileOption _profile = new(
        "What the unit does that capability registers do not tell, such as its caches; capabilities are always those of the case", "qemu");

    private readonly JsonOption _json = new("the verdicts as one JSON object");

    /// <summary>The verb.</summary>
    public Replay(Terminal terminal)
        : base("replay", "Play recorded scripts on a remapping unit, and compare every answer with the recorded one.", terminal)
    {
        Add(_file);
        Add(_only, _profile, _json);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "replay cases.json",
        "replay cases.json --only fault/",
        "replay cases.json --only \"qi/bad_*\" --json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        CaseFile file;
        try
        {
            file = CaseFile.Read(line.GetRequiredValue(_file), HardwareProfile.Named(line.GetRequiredValue(_profile)));
        }
        catch (CaseFileException problem)
        {
            return Terminal.Refuse(problem.Message);
        }

        string? only = line.GetValue(_only);
        RecordedCase[] cases = [.. file.Cases.Where(one => only is null || IsLike(one.Id, only))];
        if (cases.Length == 0)
            return Terminal.Refuse($"No case is called like '{only}'.");
        DeviationRules rules = DeviationRules.Load();
        List<CaseVerdict> verdicts = [];
        using (ProgressLine progress = new(Terminal, "played", "cases", 1))
        {
            foreach (RecordedCase one in cases)
            {
                verdicts.Add(CasePlayer.Play(one, file.RamBytes, rules));
                progress.Report((ulong)verdicts.Count, (ulong)cases.Length);
            }
        }

        if (line.GetValue(_json))
            Terminal.WriteJson(ReplayReport.Of(verdicts), ReplayJson.Default.ReplayReport);
        else
            ReplayView.Write(Terminal.Output, verdicts, rules);
        return verdicts.Any(verdict => verdict.Outcome == CaseOutcome.Failed) ? ExitCode.Violation : ExitCode.Ok;
    }

    private static bool IsLike(string id, string pattern) => pattern.AsSpan().ContainsAny('*', '?')
        ? FileSystemName.MatchesSimpleExpression(pattern, id, ignoreCase: false)
        : id.StartsWith(pattern, StringComparison.Ordinal);
}
