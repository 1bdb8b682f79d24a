using System.CommandLine;
using System.Globalization;

namespace Dma.Lab;

/// <summary><c>dma check isolation</c>: random worlds of VMs, devices and hostile guests, until one of them breaks isolation.</summary>
internal sealed class CheckIsolation : Verb
{
    private const int WorkersMax = 256;

    private readonly SeedOption _seed = new("Which worlds: world k of a seed is the same each time");

    private readonly NumberOption<ulong> _worlds = new("--worlds", "N", "How many worlds; 1000 where no time is given either", 1, ulong.MaxValue);

    private readonly NumberOption<ulong> _minutes = new("--minutes", "M", "How long", 0, 1_000_000);

    private readonly NumberOption<int> _workers = new(
        "--workers", "K", "How many threads play; as many as there are processors, unless given", 1, WorkersMax, Math.Min(Environment.ProcessorCount, WorkersMax));

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

    private readonly JsonOption _json = new();

    /// <summary>The verb.</summary>
    public CheckIsolation(Terminal terminal)
        : base("isolation", "Random worlds of 1 to 8 VMs with devices and hostile guests; the first that breaks isolation is made small and kept.", terminal)
    {
        Add(_seed, _worlds, _minutes, _workers, _without, _file, _json);
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
        ulong? minutes = _minutes.Given(line);
        Protection[] without = [.. (line.GetValue(_without) ?? []).Select(name => Protection.Find(name)!)];
        IsolationSearchResult result;
        using (ProgressLine progress = new(Terminal, "played", "worlds", 1))
        {
            IsolationSearch search = new()
            {
                Seed = seed,
                WorldsMax = _worlds.Given(line) ?? (minutes is null ? 1000 : ulong.MaxValue),
                TimeMax = minutes is { } limit ? TimeSpan.FromMinutes(limit) : TimeSpan.MaxValue,
                Workers = line.GetValue(_workers),
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
            seed, result.Worlds, seconds, result.Worlds / seconds, line.GetValue(_workers), [.. without.Select(protection => protection.Name)], finding);
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
}
