using System.CommandLine;
using Dma.Iommu;

namespace Dma.Lab;

/// <summary><c>dma compare models</c>: the same guest work with an emulated controller, a split driver, and the controller itself.</summary>
internal sealed class CompareModels : Verb
{
    private const string Both = "both";

    private readonly WordOption _usb = new("--usb", "The controller of the host", [.. UsbControllers.Names, Both], Both);

    private readonly ProfileOption _profile = new("The remapping hardware", "friendly");

    private readonly SeedOption _seed = new("What contents and times come from");

    private readonly Option<bool> _timeline = new("--timeline")
    {
        Description = "Show one small read by each model, step by step.",
    };

    private readonly JsonOption _json = new("the report as one JSON object, timelines included");

    /// <summary>The verb.</summary>
    public CompareModels(Terminal terminal)
        : base("models", "The same guest work with an emulated controller, a split driver, and the controller itself: exits, copies, latency, cycles, missed slots.", terminal) => Add(_usb, _profile, _seed, _timeline, _json);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples => ["compare models", "compare models --usb ehci --timeline", "compare models --json"];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        string usb = line.GetRequiredValue(_usb);
        ModelComparison comparison = new(
            usb == Both ? UsbControllers.Names : [usb], HardwareProfile.Named(line.GetRequiredValue(_profile)), line.GetValue(_seed));
        ModelReport report;
        using (ProgressLine progress = new(Terminal, "ran", "models", 1))
            report = comparison.Run(done => progress.Report((ulong)done, (ulong)comparison.Count));
        if (line.GetValue(_json))
            Terminal.WriteJson(report, ModelJson.Default.ModelReport);
        else
            ModelView.Write(Terminal.Output, report, line.GetValue(_timeline));
        return report is { IsDataEqual: true, IsInOrder: true } ? ExitCode.Ok : ExitCode.Violation;
    }
}
