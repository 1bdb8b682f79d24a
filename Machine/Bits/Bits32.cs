using System.Runtime.CompilerServices;

namespace Dma.Machine;

/// <summary>A 32-bit value read by absolute bit numbers, as manuals print them; in memory little-endian.</summary>
/// <param name="Value">The value; bit 0 is the least significant.</param>
public readonly record struct Bits32(uint Value)
{
    /// <summary>Bit <paramref name="number"/>, 0 to 31.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Bit(int number) => ((Value >> number) & 1) != 0;

    /// <summary>Bits <paramref name="high"/>:<paramref name="low"/>, both included, moved down to bit 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public uint Bits(int high, int low) => Value << (31 - high) >> (31 - high + low);

    /// <summary>The same value with bit <paramref name="number"/> as given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Bits32 With(int number, bool bit) => new(bit ? Value | (1u << number) : Value & ~(1u << number));

    /// <summary>The same value with bits <paramref name="high"/>:<paramref name="low"/> replaced.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The field is wider than the bits that it should go to.</exception>
    public Bits32 With(int high, int low, uint field)
    {
        uint mask = Mask(high, low);
        uint moved = field << low;
        if ((moved & ~mask) != 0 || moved >> low != field)
            throw new ArgumentOutOfRangeException(nameof(field), $"{field:X}h does not fit in bits {high}:{low}.");
        return new((Value & ~mask) | moved);
    }

    /// <summary>Ones in bits <paramref name="high"/>:<paramref name="low"/>, zeros elsewhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Mask(int high, int low) => uint.MaxValue << (31 - high) >> (31 - high + low) << low;

    /// <summary>Hexadecimal, in groups of four digits.</summary>
    public override string ToString() => $"{Value >> 16:X4}_{Value & 0xFFFF:X4}h";
}
