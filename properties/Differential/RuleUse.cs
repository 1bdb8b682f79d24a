using System.Collections.Concurrent;
using System.Text;

namespace Dma.Properties;

/// <summary>Counts how often each rule excused a difference.</summary>
internal sealed class RuleUse
{
    private readonly ConcurrentDictionary<string, int> _uses = new();

    /// <summary>Notes one use.</summary>
    public void Count(string rule) => _uses.AddOrUpdate(rule, 1, (_, count) => count + 1);

    /// <summary>How often a rule was used.</summary>
    public int Of(string rule) => _uses.GetValueOrDefault(rule);

    /// <summary>A line for each rule that was used, most used first.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        foreach ((string rule, int count) in _uses.OrderByDescending(use => use.Value).ThenBy(use => use.Key, StringComparer.Ordinal))
            _ = text.Append(System.Globalization.CultureInfo.InvariantCulture, $"{count,8} {rule}\n");
        return text.ToString();
    }
}
