namespace Dma.Lab;

/// <summary>The option <c>--seed</c>: any number of 64 bits.</summary>
/// <param name="what">What comes from it, for the help: a sentence without its full stop.</param>
internal sealed class SeedOption(string what) : NumberOption<ulong>("--seed", "N", what, 0, ulong.MaxValue, 1);
