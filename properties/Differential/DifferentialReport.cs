using System.Globalization;
using System.Text;
using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>What the differential tests of a run played, how fast, and which rules they used; at the end a file tells it.</summary>
public sealed class DifferentialReport : IDisposable
{
    private readonly Lock _lock = new();
    private readonly StringBuilder _kinds = new();
    private readonly RuleUse _uses = new();
    private int _played;

    /// <summary>Where the file is: beside what was built.</summary>
    public static string Path { get; } = System.IO.Path.Combine(SharedFiles.RepositoryRoot, "artifacts", "differential.txt");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_played == 0)
            return;
        string[] known = [.. DifferenceRules.All.Select(rule => rule.Name)];
        string[] unused = [.. known.Where(rule => _uses.Of(rule) == 0)];
        File.WriteAllText(Path, $"{_kinds}\n{_played} programs in all. How often each known difference was met:\n{_uses}{(unused.Length == 0 ? "" : $"Never met: {string.Join("; ", unused)}.\n")}");
    }

    /// <summary>Adds the programs of one kind of unit.</summary>
    /// <returns>The same, for the output of the test.</returns>
    internal string Add(string properties, TranslationTableMode mode, int played, TimeSpan time, RuleUse use)
    {
        double seconds = time.TotalSeconds;
        string line = string.Create(
            CultureInfo.InvariantCulture, $"{mode}, {properties}: {played} programs in {seconds:f1} s, {played / seconds:f1} each second\n");
        lock (_lock)
        {
            _played += played;
            _ = _kinds.Append(line);
            _uses.Add(use);
        }

        return line + use;
    }
}
