using System.Globalization;
using System.Text;

namespace Dma.Properties;

/// <summary>Counts how often each rule excused a difference.</summary>
internal sealed class RuleUse
{
    private readonly Dictionary<string, int> _uses = [];

    /// <summary>Notes one use.</summary>
    public void Count(string rule) => _uses[rule] = Of(rule) + 1;

    /// <summary>How often a rule was used.</summary>
    public int Of(string rule) => _uses.GetValueOrDefault(rule);

    /// <summary>Adds the uses that somebody else counted.</summary>
    public void Add(RuleUse other)
    {
        foreach ((string rule, int count) in other._uses)
            _uses[rule] = Of(rule) + count;
    }

    /// <summary>A line for each rule that was used, most used first.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        foreach ((string rule, int count) in _uses.OrderByDescending(use => use.Value).ThenBy(use => use.Key, StringComparer.Ordinal))
            _ = text.Append(CultureInfo.InvariantCulture, $"{count,8} {rule}\n");
        return text.ToString();
    }
}
