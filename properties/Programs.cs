using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs: lists of steps that get shorter when one of them fails.</summary>
internal static class Programs
{
    /// <summary>Programs of such steps; a failing one is shortened by halves, then by single steps.</summary>
    public static Arbitrary<T[]> ToPrograms<T>(this Gen<T> step) => Arb.From(step.ArrayOf(), Shorter);

    /// <summary>The same, with at most so many steps, all lengths as likely.</summary>
    public static Arbitrary<T[]> ToPrograms<T>(this Gen<T> step, int stepsMax) =>
        Arb.From(
            from length in Gen.Choose(0, stepsMax)
            from steps in Gen.ArrayOf(step, length)
            select steps,
            Shorter);

    private static IEnumerable<T[]> Shorter<T>(T[] program)
    {
        for (int piece = (program.Length + 1) / 2; piece > 0; piece /= 2)
        {
            for (int at = 0; at + piece <= program.Length; at += piece)
                yield return [.. program.AsSpan(0, at), .. program.AsSpan(at + piece)];
        }
    }
}
