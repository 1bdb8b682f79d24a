using System.Globalization;
using System.Runtime.CompilerServices;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Runs a property over many generated cases, the same ones each time the seed is the same.</summary>
/// <remarks>
/// The environment decides two things: <c>DMA_SEED</c>, any text such as a commit hash, which cases; <c>DMA_DEPTH</c>,
/// a number, how many times as many. A failure names the seed, so that it can be had again, and the smallest
/// counterexample that was found.
/// </remarks>
public static class Property
{
    private const string DefaultSeed = "dma";

    /// <summary>The seed as text, for messages.</summary>
    public static string SeedText { get; } =
        Environment.GetEnvironmentVariable("DMA_SEED") is { Length: > 0 } text ? text : DefaultSeed;

    /// <summary>The seed as a number, for generators of one's own.</summary>
    public static ulong Seed { get; } = Hash(SeedText);

    /// <summary>How many times as many cases are wanted as usual; 1 by default.</summary>
    public static double Depth { get; } =
        double.TryParse(Environment.GetEnvironmentVariable("DMA_DEPTH"), CultureInfo.InvariantCulture, out double depth) ? depth : 1;

    /// <summary>How many cases to run where <paramref name="count"/> are usual.</summary>
    public static int Cases(int count) => (int)Math.Clamp(count * Depth, count, int.MaxValue);

    /// <summary>Checks that a statement, made by assertions, holds for all values.</summary>
    /// <param name="values">The values, and how to make them smaller.</param>
    /// <param name="statement">Throws where it does not hold.</param>
    /// <param name="count">How many cases are usual.</param>
    /// <param name="name">Who asks.</param>
    public static void Check<T>(Arbitrary<T> values, Action<T> statement, int count = 100, [CallerMemberName] string name = "") =>
        Check(Prop.ForAll(values, statement), count, name);

    /// <summary>Checks that a statement, made by assertions, holds for all generated values; they are not shrunk.</summary>
    /// <inheritdoc cref="Check{T}(Arbitrary{T}, Action{T}, int, string)"/>
    public static void Check<T>(Gen<T> values, Action<T> statement, int count = 100, [CallerMemberName] string name = "") =>
        Check(values.ToArbitrary(), statement, count, name);

    /// <summary>Checks a property.</summary>
    /// <param name="property">What must hold.</param>
    /// <param name="count">How many cases are usual.</param>
    /// <param name="name">Who asks.</param>
    public static void Check(FsCheck.Property property, int count = 100, [CallerMemberName] string name = "")
    {
        Config config = Config.QuickThrowOnFailure
            .WithQuietOnSuccess(true)
            .WithMaxTest(Cases(count))
            .WithName(name)
            .WithReplay(new Replay(new Rnd(Seed), default));
        string? failure = null;
        try
        {
            FsCheck.Check.One(config, property);
        }
#pragma warning disable CA1031 // The runner reports a counterexample by an exception of its own, which has no public type.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            failure = exception.Message;
        }

        if (failure is not null)
            Xunit.Assert.Fail($"Again with DMA_SEED={SeedText} (DMA_DEPTH={Depth.ToString(CultureInfo.InvariantCulture)}): {failure}");
    }

    /// <summary>The FNV-1a hash of a text: the same on every machine, unlike the hash codes of the runtime.</summary>
    public static ulong Hash(string text)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char character in text)
            hash = (hash ^ character) * 0x100000001B3;
        return hash;
    }
}
