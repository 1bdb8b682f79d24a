namespace Dma.Machine;

/// <summary>How often each kind of work was charged.</summary>
public sealed class Meter
{
    private readonly ulong[] _counts = new ulong[Enum.GetValues<Cost>().Length];

    /// <summary>The count of one kind.</summary>
    public ulong this[Cost cost] => _counts[(int)cost];

    /// <summary>Counts some work.</summary>
    public void Add(Cost cost, ulong times) => _counts[(int)cost] += times;
}
