using System.CommandLine;

namespace Dma.Lab;

/// <summary><c>dma run rogue-devices</c>: small devices with one bad habit each, with what stands against them on and off.</summary>
internal sealed class RunRogueDevices : Verb
{
    private readonly JsonOption _json = new("the results as one JSON array");

    /// <summary>The verb.</summary>
    public RunRogueDevices(Terminal terminal)
        : base("rogue-devices", "Devices that forge, lie and flood: what each reaches, and what is recorded, with its protection on and off.", terminal) => Add(_json);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["run rogue-devices", "run rogue-devices --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        List<RogueResult> results = [];
        using (ProgressLine progress = new(Terminal, "tried", "devices", 1))
        {
            foreach (RogueResult result in RogueTrials.Run())
            {
                results.Add(result);
                progress.Report((ulong)results.Count, (ulong)RogueTrials.All.Count);
            }
        }

        if (line.GetValue(_json))
            Terminal.WriteJson(results, RogueJson.Default.ListRogueResult);
        else
            RogueView.Write(Terminal.Output, results);
        return results.TrueForAll(result => result.IsContained || !result.IsOn) ? ExitCode.Ok : ExitCode.Violation;
    }
}
