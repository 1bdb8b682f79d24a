using System.Numerics;
using System.Runtime.InteropServices;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Bits of every width beside whole numbers of the runtime.</summary>
public sealed class BitsLayouts
{
    // A value of eight quadwords, of which the narrower types take the first, a field, and what to write into it.
    private static Gen<(ulong[] Words, int High, int Low, ulong Field)> Cases(int bits) =>
        from words in Gen.ArrayOf(Generate.Any64, 8)
        from low in Gen.Choose(0, bits - 1)
        from width in Gen.Choose(1, 64)
        from field in Generate.Any64
        select (words, Math.Min(bits - 1, low + width - 1), low, field);

    [Fact]
    public void Thirty_two_bits() =>
        Property.Check(Cases(32), test =>
        {
            Bits32 value = new((uint)test.Words[0]);
            uint field = (uint)(test.Field & (ulong)Ones(test.High, test.Low));
            CheckReads(value.Value, test.High, test.Low, value.Bits(test.High, test.Low), value.Bit(test.Low), Bits32.Mask(test.High, test.Low));
            CheckWrite(value.Value, test.High, test.Low, field, value.With(test.High, test.Low, field).Value, value.With(test.Low, (field & 1) != 0).Value);
            CheckRefusal(test.High, test.Low, 32, () => value.With(test.High, test.Low, TooWide(test.High, test.Low, field)));
        });

    [Fact]
    public void Sixty_four_bits() =>
        Property.Check(Cases(64), test =>
        {
            Bits64 value = new(test.Words[0]);
            ulong field = test.Field & (ulong)Ones(test.High, test.Low);
            CheckReads(value.Value, test.High, test.Low, value.Bits(test.High, test.Low), value.Bit(test.Low), Bits64.Mask(test.High, test.Low));
            CheckWrite(value.Value, test.High, test.Low, field, value.With(test.High, test.Low, field).Value, value.With(test.Low, (field & 1) != 0).Value);
            CheckRefusal(test.High, test.Low, 64, () => value.With(test.High, test.Low, TooWide(test.High, test.Low, field)));
            Assert.Equal((value.Value & test.Field) != 0, value.Any(test.Field));
        });

    [Fact]
    public void One_hundred_and_twenty_eight_bits() =>
        Property.Check(Cases(128), test =>
        {
            Bits128 value = new(test.Words[0], test.Words[1]);
            UInt128 whole = new(test.Words[1], test.Words[0]);
            ulong field = test.Field & (ulong)Ones(test.High, test.Low);
            Assert.Equal((ulong)((whole >> test.Low) & (ulong)Ones(test.High, test.Low)), value.Bits(test.High, test.Low));
            CheckReads(Whole(value), test.High, test.Low, value.Bits(test.High, test.Low), value.Bit(test.Low), Whole(Bits128.Mask(test.High, test.Low)));
            CheckWrite(Whole(value), test.High, test.Low, field, Whole(value.With(test.High, test.Low, field)), Whole(value.With(test.Low, (field & 1) != 0)));
            CheckRefusal(test.High, test.Low, 64, () => value.With(test.High, test.Low, TooWide(test.High, test.Low, field)));
            Bits128 other = new(test.Words[2] & test.Words[3] & test.Words[4], test.Words[5] & test.Words[6] & test.Words[7]);
            Assert.Equal((Whole(value) & Whole(other)) != 0, value.Any(other));
            Assert.Equal(Whole(value) | Whole(other), Whole(value | other));
            Assert.Equal($"{whole:X32}", Digits(value.ToString()));
        });

    [Fact]
    public void Two_hundred_and_fifty_six_bits() =>
        Property.Check(Cases(256), test =>
        {
            Bits256 value = MemoryMarshal.Read<Bits256>(MemoryMarshal.AsBytes(test.Words.AsSpan()));
            ulong field = test.Field & (ulong)Ones(test.High, test.Low);
            CheckReads(Whole(value), test.High, test.Low, value.Bits(test.High, test.Low), value.Bit(test.Low), Whole(Bits256.Mask(test.High, test.Low)));
            CheckWrite(Whole(value), test.High, test.Low, field, Whole(value.With(test.High, test.Low, field)), Whole(value.With(test.Low, (field & 1) != 0)));
            CheckRefusal(test.High, test.Low, 64, () => value.With(test.High, test.Low, TooWide(test.High, test.Low, field)));
            Bits256 other = Bits256.Mask(test.High, test.Low);
            Assert.Equal((Whole(value) & Whole(other)) != 0, value.Any(other));
            Assert.Equal(Whole(value) | Whole(other), Whole(value | other));
            Assert.Equal(Hex(Whole(value), 64), Digits(value.ToString()));
        });

    [Fact]
    public void Five_hundred_and_twelve_bits() =>
        Property.Check(Cases(512), test =>
        {
            Bits512 value = MemoryMarshal.Read<Bits512>(MemoryMarshal.AsBytes(test.Words.AsSpan()));
            ulong field = test.Field & (ulong)Ones(test.High, test.Low);
            CheckReads(Whole(value), test.High, test.Low, value.Bits(test.High, test.Low), value.Bit(test.Low), Whole(Bits512.Mask(test.High, test.Low)));
            CheckWrite(Whole(value), test.High, test.Low, field, Whole(value.With(test.High, test.Low, field)), Whole(value.With(test.Low, (field & 1) != 0)));
            CheckRefusal(test.High, test.Low, 64, () => value.With(test.High, test.Low, TooWide(test.High, test.Low, field)));
            Bits512 other = Bits512.Mask(test.High, test.Low);
            Assert.Equal((Whole(value) & Whole(other)) != 0, value.Any(other));
            Assert.Equal(Whole(value) | Whole(other), Whole(value | other));
            Assert.Equal(Hex(Whole(value), 128), Digits(value.ToString()));
        });

    [Fact]
    public void Every_field_of_sixty_four_bits_is_cut_out_exactly()
    {
        const ulong Value = 0xFEDC_BA98_7654_3210;
        for (int high = 0; high < 64; high++)
        {
            for (int low = 0; low <= high; low++)
            {
                Assert.Equal((ulong)((BigInteger)Value >> low & Ones(high, low)), new Bits64(Value).Bits(high, low));
                Assert.Equal(Ones(high, low) << low, Bits64.Mask(high, low));
            }
        }
    }

    [Fact]
    public void Wide_values_are_little_endian_in_memory()
    {
        using PhysicalMemory memory = new(4096);
        Assert.True(memory.TryWrite(new(64), new Bits128(0x0706050403020100, 0x0F0E0D0C0B0A0908)));
        byte[] bytes = new byte[16];
        Assert.True(memory.TryRead(new(64), bytes));
        Assert.Equal(Enumerable.Range(0, 16).Select(at => (byte)at), bytes);
    }

    private static void CheckReads(BigInteger value, int high, int low, ulong bits, bool bit, BigInteger mask)
    {
        Assert.Equal(value >> low & Ones(high, low), bits);
        Assert.Equal(!(value >> low).IsEven, bit);
        Assert.Equal(Ones(high, low) << low, mask);
    }

    private static void CheckWrite(BigInteger value, int high, int low, ulong field, BigInteger written, BigInteger bitWritten)
    {
        BigInteger outside = value - (value & (Ones(high, low) << low));
        Assert.Equal(outside | ((BigInteger)field << low), written);
        BigInteger withoutBit = value - (value & (BigInteger.One << low));
        Assert.Equal(withoutBit | ((BigInteger)(field & 1) << low), bitWritten);
    }

    private static void CheckRefusal(int high, int low, int widest, Action write)
    {
        if (high - low + 1 < widest)
            Assert.Throws<ArgumentOutOfRangeException>(write);
    }

    // A field with one more bit than there is room for.
    private static uint TooWide(int high, int low, uint field) => high - low == 31 ? field : field | (1u << (high - low + 1));

    private static ulong TooWide(int high, int low, ulong field) => high - low == 63 ? field : field | (1ul << (high - low + 1));

    private static BigInteger Ones(int high, int low) => (BigInteger.One << (high - low + 1)) - 1;

    private static BigInteger Whole<T>(T value)
        where T : struct => new(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)), isUnsigned: true);

    private static string Hex(BigInteger value, int digits) => value.ToString("X", null).TrimStart('0').PadLeft(digits, '0');

    private static string Digits(string text) => text.Replace("_", "", StringComparison.Ordinal).TrimEnd('h');
}
