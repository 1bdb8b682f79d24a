using System.Globalization;
using System.Text;

namespace Dma.Lab;

/// <summary>Numbers of the protocol, written as C has them: 0x for hexadecimal, a leading 0 for octal, else decimal.</summary>
internal static class QtestNumber
{
    private const int DigitsMax = 32;

    /// <summary>Reads a number of up to 64 bits.</summary>
    /// <param name="word">The whole word.</param>
    /// <param name="value">The number.</param>
    public static bool TryParse(ReadOnlySpan<byte> word, out ulong value)
    {
        value = 0;
        if (word.Length is 0 or > DigitsMax)
            return false;
        if (word.StartsWith("0x"u8) || word.StartsWith("0X"u8))
            return ulong.TryParse(Text(word[2..]), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
        return word[0] == '0'
            ? TryParseOctal(word, out value)
            : ulong.TryParse(Text(word), NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static bool TryParseOctal(ReadOnlySpan<byte> digits, out ulong value)
    {
        value = 0;
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7' || value >> 61 != 0)
                return false;
            value = (value << 3) | (uint)(digit - '0');
        }

        return true;
    }

    private static string Text(ReadOnlySpan<byte> digits) => Encoding.ASCII.GetString(digits);
}
