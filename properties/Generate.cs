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

    /// <summary>A program of steps, which is made smaller by leaving steps out: halves first, then single ones.</summary>
    /// <param name="step">One step.</param>
    /// <param name="stepsMax">How many steps at most.</param>
    public static Arbitrary<T[]> Program<T>(Gen<T> step, int stepsMax) =>
        Arb.From(
            from length in Gen.Choose(0, stepsMax)
            from steps in Gen.ArrayOf(step, length)
            select steps,
            Smaller);

    private static IEnumerable<T[]> Smaller<T>(T[] steps)
    {
        for (int count = (steps.Length + 1) / 2; count >= 1; count /= 2)
        {
            for (int start = 0; start < steps.Length; start += count)
                yield return [.. steps[..start], .. steps[Math.Min(start + count, steps.Length)..]];
        }
    }
}
