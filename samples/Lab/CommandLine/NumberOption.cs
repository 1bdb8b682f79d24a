using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Dma.Lab;

/// <summary>An option whose value is a whole number between two others, in decimal.</summary>
/// <typeparam name="T">What holds it; anything else is refused, with the bounds.</typeparam>
internal class NumberOption<T> : Option<T>
    where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
{
    private readonly T _min;
    private readonly T _max;

    /// <summary>The option.</summary>
    /// <param name="name">What is typed.</param>
    /// <param name="unit">What is counted, in capitals, for the help.</param>
    /// <param name="what">What it decides, for the help: a sentence without its full stop. Bounds follow where there are any.</param>
    /// <param name="min">The least number.</param>
    /// <param name="max">The greatest number; that of the type says that there is no bound.</param>
    /// <param name="usual">The number where none is given, or null: then ask <see cref="Given"/>.</param>
    public NumberOption(string name, string unit, string what, T min, T max, T? usual = null)
        : base(name)
    {
        (_min, _max) = (min, max);
        Description = max == T.MaxValue ? $"{what}." : string.Create(CultureInfo.InvariantCulture, $"{what}, {min} to {max}.");
        HelpName = unit;
        CustomParser = Parse;
        if (usual is { } number)
            DefaultValueFactory = _ => number;
    }

    /// <summary>The number that a command line has, or null where it has none.</summary>
    /// <param name="line">The command line.</param>
    public T? Given(ParseResult line) => line.GetResult(this) is null ? null : line.GetValue(this);

    private T Parse(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        if (T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out T number) && number >= _min && number <= _max)
            return number;
        argument.AddError(string.Create(CultureInfo.InvariantCulture, $"'{text}' of {Name} is no whole number from {_min} to {_max}."));
        return _min;
    }
}
