using System.CommandLine;

namespace Dma.Lab;

/// <summary>A verb that runs a controller shared between VMs: what all such verbs can be told.</summary>
internal abstract class SharingVerb : Verb
{
    private const int VmsMax = 8;

    private readonly Option<int> _vms = new("--vms")
    {
        Description = $"How many VMs share the controller, 2 to {VmsMax}.",
        HelpName = "N",
        DefaultValueFactory = static _ => 3,
    };

    private readonly Option<ulong> _seed = new("--seed")
    {
        Description = "What the bytes of the disks come from.",
        HelpName = "N",
        DefaultValueFactory = static _ => 1,
    };

    private readonly TraceOption _trace = new();

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write the report as one JSON object.",
    };

    /// <inheritdoc cref="Verb"/>
    protected SharingVerb(string name, string description, Terminal terminal)
        : base(name, description, terminal)
    {
        _vms.Validators.Add(static option =>
        {
            if (!option.Tokens.Any(token => !int.TryParse(token.Value, out _)) && option.GetValueOrDefault<int>() is < 2 or > VmsMax)
                option.AddError($"2 to {VmsMax} VMs can share the controller.");
        });
        Add(_vms);
        Add(_seed);
        Add(_trace);
        Add(_json);
    }

    /// <inheritdoc/>
    protected sealed override int Run(ParseResult line)
    {
        if (!TraceOption.TryCreate(line.GetValue(_trace), out FileStream? trace, out string? problem))
            return Terminal.Refuse(problem);
        using (trace)
        {
            try
            {
                return Run(line, line.GetValue(_vms), line.GetValue(_seed), trace, line.GetValue(_json));
            }
            catch (IOException failure) when (trace is not null)
            {
                return Terminal.Refuse($"The timeline cannot be written: {failure.Message}");
            }
        }
    }

    /// <summary>Runs it.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="vms">How many VMs.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline goes, or null.</param>
    /// <param name="isJson">Whether the report is JSON.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson);

    /// <summary>An option that takes one of a few words.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What it decides.</param>
    /// <param name="words">The words; the first one is usual.</param>
    protected static Option<string> Choice(string name, string description, params IReadOnlyList<string> words)
    {
        Option<string> option = new(name)
        {
            Description = $"{description}: {string.Join(", ", words)}.",
            HelpName = "NAME",
            DefaultValueFactory = _ => words[0],
        };
        option.Validators.Add(result =>
        {
            string word = result.GetValueOrDefault<string>() ?? "";
            if (!words.Contains(word))
                result.AddError($"'{word}' is none of {string.Join(", ", words)}.");
        });
        return option;
    }
}
