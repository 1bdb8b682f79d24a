using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Generators that many properties need.</summary>
public static class Generate
{
    /// <summary>Any 64 bits, all as likely.</summary>
    public static Gen<ulong> Any64 { get; } =
        from high in Gen.Choose(int.MinValue, int.MaxValue)
        from low in Gen.Choose(int.MinValue, int.MaxValue)
        select ((ulong)(uint)high << 32) | (uint)low;

    /// <summary>One of the widths of a bus access: 1, 2, 4 or 8 bytes.</summary>
    public static Gen<int> Width { get; } = Gen.Elements(1, 2, 4, 8);

    /// <summary>A program of steps; one that fails is shortened by halves, then by single steps.</summary>
    /// <param name="step">One step.</param>
    /// <param name="stepsMax">How many steps at most; all lengths are as likely.</param>
    public static Arbitrary<T[]> Program<T>(Gen<T> step, int stepsMax) =>
        Arb.From(
            from length in Gen.Choose(0, stepsMax)
            from steps in Gen.ArrayOf(step, length)
            select steps,
            Shorter);

    /// <summary>Programs of steps that get longer from case to case.</summary>
    public static Arbitrary<T[]> ToPrograms<T>(this Gen<T> step) => Arb.From(step.ArrayOf(), Shorter);

    private static IEnumerable<T[]> Shorter<T>(T[] program)
    {
        for (int piece = (program.Length + 1) / 2; piece > 0; piece /= 2)
        {
            for (int at = 0; at + piece <= program.Length; at += piece)
                yield return [.. program.AsSpan(0, at), .. program.AsSpan(at + piece)];
        }
    }
}
