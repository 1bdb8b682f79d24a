using System.Buffers;
using System.Text;

namespace Dma.Vmm;

/// <summary>A name of something inside a granted folder, that means the same on every host: no way out of the folder can be written with it.</summary>
/// <remarks>
/// Parts with a slash between them. Refused are: what is not UTF-8 or too long, an empty part (so also an absolute path), "."
/// and "..", control characters, the characters that some file system gives a meaning (backslash, colon, asterisk, question
/// mark, quotation mark, angle brackets, bar), a dot or space at the end of a part, and the names of devices of Windows, with an
/// extension or without.
/// </remarks>
public sealed class FolderPath
{
    /// <summary>The most bytes of a path.</summary>
    public const int BytesMax = 1024;

    /// <summary>The most bytes of a part.</summary>
    public const int PartBytesMax = 255;

    /// <summary>The most parts.</summary>
    public const int PartsMax = 16;

    private static readonly SearchValues<char> _refused = SearchValues.Create("\\:*?\"<>|");
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly string[] _devices = ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"];

    private FolderPath(string[] parts) => Parts = parts;

    /// <summary>The folder itself.</summary>
    public static FolderPath Root { get; } = new([]);

    /// <summary>Its parts, from the folder down; none for the folder itself.</summary>
    public IReadOnlyList<string> Parts { get; }

    /// <summary>The parts with slashes between them.</summary>
    public override string ToString() => string.Join('/', Parts);

    /// <summary>Reads a path from bytes.</summary>
    /// <returns><c>null</c> where it is refused.</returns>
    public static FolderPath? TryParse(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length is 0 or > BytesMax)
            return null;
        string text;
        try
        {
            text = _strict.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }

        string[] parts = text.Split('/');
        return parts.Length <= PartsMax && Array.TrueForAll(parts, IsPart) ? new(parts) : null;
    }

    private static bool IsPart(string part) =>
        part.Length != 0
        && Encoding.UTF8.GetByteCount(part) <= PartBytesMax
        && part[^1] is not ('.' or ' ')
        && !part.AsSpan().ContainsAny(_refused)
        && !part.Any(char.IsControl)
        && !IsDevice(part);

    // COM1 to COM9, LPT1 to LPT9, also with the superscripts that Windows takes for digits.
    private static bool IsDevice(string part)
    {
        string name = part.Split('.')[0].TrimEnd(' ').ToUpperInvariant();
        return _devices.Contains(name)
            || (name.Length == 4 && name[..3] is "COM" or "LPT" && name[3] is (>= '0' and <= '9') or '\u00B9' or '\u00B2' or '\u00B3');
    }
}
