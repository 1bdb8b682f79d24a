using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Dma.Lab;

/// <summary><c>dma check isolation</c>: random worlds of VMs, devices and hostile guests, until one of them breaks isolation.</summary>
internal sealed class CheckIsolation : Verb
{
    private const int WorkersMax = 256;

    private readonly Option<ulong> _seed = new("--seed")
    {
        Description = "Which worlds: world k of a seed is the same each time.",
        HelpName = "N",
        DefaultValueFactory = static _ => 1,
        CustomParser = static argument => Parse(argument, ulong.MaxValue),
    };

    private readonly Option<ulong?> _worlds = new("--worlds")
    {
        Description = "How many worlds; 1000 where no time is given either.",
        HelpName = "N",
        CustomParser = static argument => Parse(argument, ulong.MaxValue),
    };

    private readonly Option<ulong?> _minutes = new("--minutes")
    {
        Description = "How long.",
        HelpName = "M",
        CustomParser = static argument => Parse(argument, 1_000_000),
    };

    private readonly Option<int> _workers = new("--workers")
    {
        Description = "How many threads play; as many as there are processors, unless given.",
        HelpName = "K",
        DefaultValueFactory = static _ => Environment.ProcessorCount,
        CustomParser = static argument => (int)Parse(argument, WorkersMax),
    };

    private readonly Option<string[]> _without = new("--without")
    {
        Description = $"Take a protection away, to see that it is missed: {string.Join("; ", Protection.All.Select(protection => $"{protection.Name} ({protection.Meaning})"))}.",
        HelpName = "PROTECTION",
    };

    private readonly Option<string?> _file = new("--file")
    {
        Description = "Where a finding goes; isolation-N.world in the current directory, N being the seed, unless given.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the report as one JSON object.",
    };

    /// <summary>The verb.</summary>
    public CheckIsolation(Terminal terminal)
        : base("isolation", "Random worlds of 1 to 8 VMs with devices and hostile guests; the first that breaks isolation is made small and kept.", terminal)
    {
        Add(_seed);
        Add(_worlds);
        Add(_minutes);
        Add(_workers);
        Add(_without);
        Add(_file);
        Add(_json);
        _without.Validators.Add(static option =>
        {
            foreach (string name in option.Tokens.Select(token => token.Value).Where(name => Protection.Find(name) is null))
                option.AddError($"'{name}' is no protection. There are: {Protection.Names}.");
        });
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "check isolation",
        "check isolation --seed 7 --minutes 10",
        "check isolation --without invalidation",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        ulong seed = line.GetValue(_seed);
        ulong? minutes = line.GetValue(_minutes);
        Protection[] without = [.. (line.GetValue(_without) ?? []).Select(name => Protection.Find(name)!)];
        IsolationSearchResult result;
        using (ProgressLine progress = new(Terminal, "played", "worlds", 1))
        {
            IsolationSearch search = new()
            {
                Seed = seed,
                WorldsMax = line.GetValue(_worlds) ?? (minutes is null ? 1000 : ulong.MaxValue),
                TimeMax = minutes is { } limit ? TimeSpan.FromMinutes(limit) : TimeSpan.MaxValue,
                Workers = Math.Max(1, line.GetValue(_workers)),
                Without = without,
                Progress = progress.ReportRate,
            };
            result = search.Run();
        }

        IsolationFinding? finding = null;
        if (result is { Program: { } program, Finding: { } found, Number: { } number })
        {
            string file = line.GetValue(_file) ?? string.Create(CultureInfo.InvariantCulture, $"isolation-{seed}.world");
            WorldProgram small = new WorldShrinker(found.Violation.Invariant).Shrink(program);
            WorldFinding again = WorldPlayer.Play(small) ?? found;
            if (!TryWrite(file, small, out string problem))
                return Terminal.Refuse(problem);
            finding = IsolationFinding.Of(small, again, number, file);
        }

        double seconds = result.Time.TotalSeconds;
        IsolationReport report = new(
            seed, result.Worlds, seconds, result.Worlds / seconds, Math.Max(1, line.GetValue(_workers)), [.. without.Select(protection => protection.Name)], finding);
        if (line.GetValue(_json))
            Terminal.WriteJson(report, IsolationJson.Default.IsolationReport);
        else
            IsolationView.Write(Terminal.Output, report);
        return finding is null ? ExitCode.Ok : ExitCode.Violation;
    }

    private static bool TryWrite(string file, WorldProgram program, out string problem)
    {
        try
        {
            File.WriteAllText(file, program.ToString());
            problem = "";
            return true;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problem = $"The program cannot be written to {file}: {refusal.Message}";
            return false;
        }
    }

    private static ulong Parse(ArgumentResult argument, ulong max)
    {
        string text = argument.Tokens[0].Value;
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number) && number <= max)
            return number;
        argument.AddError($"'{text}' is no whole number from 0 to {max}.");
        return 0;
    }
}
