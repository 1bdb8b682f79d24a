using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Dma.Lab;

/// <summary>A USB device as a person writes it: <c>disk=FILE</c>, <c>keyboard,speed=full</c>, <c>hub:(mouse;audio-out)</c>.</summary>
/// <remarks>
/// <code>
/// device  = kind [ "=" argument ] { "," option "=" value }
/// hub     = "hub" { "," option "=" value } ":(" device { ";" device } ")"
/// </code>
/// The argument goes up to the next comma, semicolon or closing bracket, so that names of files hold none of them.
/// What the words mean, and which options a kind has, <see cref="UsbDeviceFactory"/> knows.
/// </remarks>
/// <param name="Kind">Which device.</param>
/// <param name="Argument">What stands behind its kind, or null.</param>
/// <param name="Options">Names and values, in the order in which they were written.</param>
/// <param name="Below">For a hub: the devices at its ports, from port 1 on.</param>
internal sealed record UsbDeviceSpec(
    string Kind, string? Argument, IReadOnlyList<(string Name, string Value)> Options, IReadOnlyList<UsbDeviceSpec> Below)
{
    private static readonly SearchValues<char> _separators = SearchValues.Create("=,:;()");
    private static readonly SearchValues<char> _ends = SearchValues.Create(",;)");
    private static readonly SearchValues<char> _hubEnds = SearchValues.Create(",:;)");

    /// <summary>How deep hubs may stand below each other (USB 2.0, bus topology).</summary>
    public const int HubsInARowMax = 5;

    /// <summary>The kind that has devices below it.</summary>
    public const string Hub = "hub";

    /// <summary>Reads what a person wrote.</summary>
    /// <param name="text">The words.</param>
    /// <param name="spec">The device.</param>
    /// <param name="problem">What is wrong, and where; empty where nothing is.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out UsbDeviceSpec? spec, out string problem)
    {
        Reader reader = new(text);
        spec = reader.Device(depth: 0);
        if (spec is not null && !reader.IsAtEnd)
            spec = reader.Fail<UsbDeviceSpec>("nothing more may follow");
        problem = reader.Problem;
        return spec is not null;
    }

    /// <summary>The kind of device that a text begins with, whether the rest makes sense or not.</summary>
    public static string KindOf(string text)
    {
        int end = text.AsSpan().IndexOfAny(_separators);
        return end < 0 ? text : text[..end];
    }

    // Takes the text apart from left to right; the first mistake is kept.
    private sealed class Reader(string text)
    {
        private int _at;

        public string Problem { get; private set; } = "";

        public bool IsAtEnd => _at == text.Length;

        public UsbDeviceSpec? Device(int depth)
        {
            string kind = Word(_separators);
            if (kind.Length == 0)
                return Fail<UsbDeviceSpec>("a device is missing");
            SearchValues<char> ends = kind == Hub ? _hubEnds : _ends;
            string? argument = Takes('=') ? Word(ends) : null;
            List<(string, string)> options = [];
            while (Takes(','))
            {
                string name = Word(_separators);
                if (name.Length == 0 || !Takes('='))
                    return Fail<UsbDeviceSpec>("an option has a name, '=' and a value");
                options.Add((name, Word(ends)));
            }

            if (!Takes(':'))
                return new(kind, argument, options, []);
            return Below(kind, depth) is { } below ? new(kind, argument, options, below) : null;
        }

        public T? Fail<T>(string problem)
            where T : class
        {
            if (Problem.Length == 0)
                Problem = $"'{text}' at character {_at + 1}: {problem}.";
            return null;
        }

        private List<UsbDeviceSpec>? Below(string kind, int depth)
        {
            if (kind != Hub)
                return Fail<List<UsbDeviceSpec>>($"'{kind}' has no devices below it; only {Hub} has");
            if (depth == HubsInARowMax)
                return Fail<List<UsbDeviceSpec>>($"more than {HubsInARowMax} hubs in a row do not work");
            if (!Takes('('))
                return Fail<List<UsbDeviceSpec>>("'(' is missing");
            List<UsbDeviceSpec> below = [];
            if (Takes(')'))
                return below;
            do
            {
                if (Device(depth + 1) is not { } device)
                    return null;
                below.Add(device);
            }
            while (Takes(';'));
            return Takes(')') ? below : Fail<List<UsbDeviceSpec>>("')' is missing");
        }

        private string Word(SearchValues<char> ends)
        {
            int length = text.AsSpan(_at).IndexOfAny(ends);
            string word = length < 0 ? text[_at..] : text.Substring(_at, length);
            _at += word.Length;
            return word;
        }

        private bool Takes(char character)
        {
            if (_at == text.Length || text[_at] != character)
                return false;
            _at++;
            return true;
        }
    }
}
