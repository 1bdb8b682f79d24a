namespace Dma.Lab;

/// <summary>One argument of a step: a number, a number that stands for a name, or a place.</summary>
/// <param name="Number">The number; 0 where it is a place.</param>
/// <param name="Place">The place; zero where it is a number.</param>
internal readonly record struct Argument(ulong Number, Place Place)
{
    /// <summary>A number.</summary>
    public static implicit operator Argument(ulong number) => new(number, default);

    /// <summary>A place.</summary>
    public static implicit operator Argument(Place place) => new(0, place);
}
