using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Dma.Lab;

/// <summary>An option whose value is an address or the value of a register, in hexadecimal with or without 0x.</summary>
internal sealed class HexOption : Option<ulong?>
{
    /// <summary>The option.</summary>
    /// <param name="name">What is typed.</param>
    public HexOption(string name)
        : base(name)
    {
        HelpName = "0x…";
        CustomParser = Parse;
    }

    private ulong? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        ReadOnlySpan<char> digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text.AsSpan(2) : text;
        if (ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value))
            return value;
        argument.AddError($"'{text}' of {Name} is no hexadecimal number of up to 64 bits.");
        return null;
    }
}
