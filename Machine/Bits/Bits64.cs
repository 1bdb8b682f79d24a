using System.Runtime.CompilerServices;

namespace Dma.Machine;

/// <summary>A 64-bit value read by absolute bit numbers, as manuals print them.</summary>
/// <remarks>Bit numbers that are constants fold into one shift and one mask.</remarks>
/// <param name="Value">The value; bit 0 is the least significant.</param>
public readonly record struct Bits64(ulong Value)
{
    /// <summary>Bit <paramref name="number"/>, 0 to 63.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Bit(int number) => ((Value >> number) & 1) != 0;

    /// <summary>Bits <paramref name="high"/>:<paramref name="low"/>, both included, moved down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Bits(int high, int low) => Value << (63 - high) >> (63 - high + low);

    /// <summary>Whether a bit of <paramref name="mask"/> is set here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Any(ulong mask) => (Value & mask) != 0;

    /// <summary>The same value with bit <paramref name="number"/> as given.</summary>
    public Bits64 With(int number, bool bit) => With(number, number, bit ? 1ul : 0);

    /// <summary>The same value with bits <paramref name="high"/>:<paramref name="low"/> replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field is wider than the bits that it should go to.</exception>
    public Bits64 With(int high, int low, ulong field)
    {
        ulong mask = Mask(high, low);
        ulong moved = field << low;
        if ((moved & ~mask) != 0 || moved >> low != field)
            throw new ArgumentOutOfRangeException(nameof(field), $"{field:X}h does not fit in bits {high}:{low}.");
        return new((Value & ~mask) | moved);
    }

    /// <summary>Ones in bits <paramref name="high"/>:<paramref name="low"/>, zeros elsewhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Mask(int high, int low) => ulong.MaxValue << (63 - high) >> (63 - high + low) << low;

    /// <summary>Hexadecimal, in groups of four digits.</summary>
    public override string ToString() =>
        $"{Value >> 48:X4}_{(Value >> 32) & 0xFFFF:X4}_{(Value >> 16) & 0xFFFF:X4}_{Value & 0xFFFF:X4}h";
}
