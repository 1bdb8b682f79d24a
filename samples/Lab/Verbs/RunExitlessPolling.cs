using System.CommandLine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary><c>dma run exitless-polling</c>: a driver on a controller whose registers are memory that a second processor polls.</summary>
internal sealed class RunExitlessPolling : Verb
{
    private const int PeriodMaxNs = 1_000_000;

    private readonly Option<string> _controller = new("--controller")
    {
        Description = $"The USB controller: {string.Join(" or ", UsbControllers.Names)}.",
        HelpName = "NAME",
        DefaultValueFactory = static _ => UsbControllers.Xhci,
    };

    private readonly Option<int> _period = new("--period")
    {
        Description = $"Nanoseconds from one look of the poller to the next, 100 to {PeriodMaxNs}.",
        HelpName = "NS",
        DefaultValueFactory = static _ => 2_000,
    };

    private readonly Option<bool> _awake = new("--awake")
    {
        Description = "Let the poller never nap.",
    };

    private readonly Option<ulong> _seed = new("--seed")
    {
        Description = "What the bytes of the disk come from.",
        HelpName = "N",
        DefaultValueFactory = static _ => 1,
    };

    private readonly TraceOption _trace = new();

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the report as one JSON object.",
    };

    /// <summary>The verb.</summary>
    public RunExitlessPolling(Terminal terminal)
        : base("exitless-polling", "Registers of a USB controller that are memory, polled by a second processor: exits, what is lost, and from which rate on it pays.", terminal)
    {
        _controller.Validators.Add(static option =>
        {
            string name = option.GetValueOrDefault<string>() ?? "";
            if (!UsbControllers.Names.Contains(name))
                option.AddError($"'{name}' is none of {string.Join(", ", UsbControllers.Names)}.");
        });
        _period.Validators.Add(static option =>
        {
            if (!option.Tokens.Any(token => !int.TryParse(token.Value, out _)) && option.GetValueOrDefault<int>() is < 100 or > PeriodMaxNs)
                option.AddError($"A period has 100 to {PeriodMaxNs} ns.");
        });
        foreach (Option option in (Option[])[_controller, _period, _awake, _seed, _trace, _json])
            Add(option);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "run exitless-polling",
        "run exitless-polling --controller ehci --period 10000",
        "run exitless-polling --trace timeline.json",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        if (!TraceOption.TryCreate(line.GetValue(_trace), out FileStream? trace, out string? problem))
            return Terminal.Refuse(problem);
        ulong periodNs = (ulong)line.GetValue(_period);
        PollingOptions options = new() { PeriodNs = periodNs, NapNs = Math.Max(20_000, periodNs) };
        if (line.GetValue(_awake))
            options = options with { IdleTurnsMax = null };
        using (trace)
        {
            try
            {
                PollingReport report = new PollingRun(line.GetRequiredValue(_controller), options, line.GetValue(_seed), trace).Run();
                if (line.GetValue(_json))
                    Terminal.WriteJson(report, PollingJson.Default.PollingReport);
                else
                    PollingView.Write(Terminal.Output, report);
                return report.IsClean ? ExitCode.Ok : ExitCode.Violation;
            }
            catch (IOException failure) when (trace is not null)
            {
                return Terminal.Refuse($"The timeline cannot be written: {failure.Message}");
            }
        }
    }
}
