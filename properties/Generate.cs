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

    /// <summary>A program of steps, which gets shorter when it fails.</summary>
    /// <param name="step">One step.</param>
    /// <param name="stepsMax">How many steps at most.</param>
    public static Arbitrary<T[]> Program<T>(Gen<T> step, int stepsMax) => step.ToPrograms(stepsMax);
}
