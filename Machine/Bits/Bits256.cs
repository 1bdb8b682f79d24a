using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dma.Machine;

/// <summary>A 256-bit value read by absolute bit numbers, as manuals print them; in memory little-endian.</summary>
/// <param name="Word0">Bits 63:0.</param>
/// <param name="Word1">Bits 127:64.</param>
/// <param name="Word2">Bits 191:128.</param>
/// <param name="Word3">Bits 255:192.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct Bits256(ulong Word0, ulong Word1, ulong Word2, ulong Word3)
{
    /// <summary>Bit <paramref name="number"/>, 0 to 255.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Bit(int number) => ((Word(number >> 6) >> (number & 63)) & 1) != 0;

    /// <summary>Bits <paramref name="high"/>:<paramref name="low"/>, at most 64 of them, moved down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Bits(int high, int low)
    {
        int first = low >> 6;
        ulong value = Word(first) >> (low & 63);
        if (high >> 6 != first)
            value |= Word(first + 1) << (64 - (low & 63));
        return value & (ulong.MaxValue >> (63 - (high - low)));
    }

    /// <summary>Whether any bit is set both here and in <paramref name="mask"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Any(Bits256 mask) => ((Word0 & mask.Word0) | (Word1 & mask.Word1) | (Word2 & mask.Word2) | (Word3 & mask.Word3)) != 0;

    /// <summary>The same value with bit <paramref name="number"/> as given.</summary>
    public Bits256 With(int number, bool bit) => With(number, number, bit ? 1ul : 0);

    /// <summary>The same value with bits <paramref name="high"/>:<paramref name="low"/>, at most 64 of them, replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field is wider than the bits that it should go to.</exception>
    public Bits256 With(int high, int low, ulong field)
    {
        int width = high - low + 1;
        if (width < 64 && field >> width != 0)
            throw new ArgumentOutOfRangeException(nameof(field), $"{field:X}h does not fit in bits {high}:{low}.");
        Bits256 result = this;
        for (int number = low; number <= high;)
        {
            // One word at a time: the part of the field that falls into it.
            int last = Math.Min(high, number | 63);
            ulong part = new Bits64(field).Bits(last - low, number - low);
            result = result.WithWord(number >> 6, new Bits64(result.Word(number >> 6)).With(last & 63, number & 63, part).Value);
            number = last + 1;
        }

        return result;
    }

    /// <summary>Ones in bits <paramref name="high"/>:<paramref name="low"/>, zeros elsewhere.</summary>
    public static Bits256 Mask(int high, int low)
    {
        Bits256 mask = default;
        for (int number = low; number <= high; number++)
            mask = mask.With(number, true);
        return mask;
    }

    /// <summary>The bits that are set in either value.</summary>
    public static Bits256 operator |(Bits256 left, Bits256 right) => left.BitwiseOr(right);

    /// <summary>The bits that are set in either value.</summary>
    public Bits256 BitwiseOr(Bits256 other) => new(Word0 | other.Word0, Word1 | other.Word1, Word2 | other.Word2, Word3 | other.Word3);

    /// <summary>Hexadecimal, most significant quadword first.</summary>
    public override string ToString() => $"{Word3:X16}_{Word2:X16}_{Word1:X16}_{Word0:X16}h";

    /// <summary>Quadword <paramref name="index"/>, 0 to 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Word(int index) => index switch
    {
        0 => Word0,
        1 => Word1,
        2 => Word2,
        3 => Word3,
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    private Bits256 WithWord(int index, ulong word) => index switch
    {
        0 => this with { Word0 = word },
        1 => this with { Word1 = word },
        2 => this with { Word2 = word },
        _ => this with { Word3 = word },
    };
}
