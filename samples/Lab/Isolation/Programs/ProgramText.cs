using System.Globalization;

namespace Dma.Lab;

/// <summary>How numbers stand in a world program: decimal, or hexadecimal after 0x.</summary>
internal static class ProgramText
{
    /// <summary>A number as people count.</summary>
    public static string Decimal(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>An address, or anything made of bits; what has one digit needs no prefix.</summary>
    public static string Hex(ulong value) =>
        value < 10 ? value.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    /// <summary>Reads a number of up to 64 bits.</summary>
    public static bool TryNumber(string text, out ulong value) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
