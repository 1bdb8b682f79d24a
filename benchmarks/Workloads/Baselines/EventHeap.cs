namespace Dma.Workloads;

/// <summary>The bare essence of an event loop: a binary heap of due times, first come first served, that never changes its size.</summary>
internal sealed class EventHeap(int size)
{
    private readonly (ulong Due, ulong Sequence, int Number)[] _nodes = new (ulong Due, ulong Sequence, int Number)[size];
    private ulong _sequence;
    private int _count;

    /// <summary>What is due first.</summary>
    public (ulong Due, int Number) First => (_nodes[0].Due, _nodes[0].Number);

    /// <summary>Adds a number; at most as many as the heap has room for.</summary>
    public void Add(ulong due, int number)
    {
        int at = _count++;
        for (; at != 0 && due < _nodes[(at - 1) / 2].Due; at = (at - 1) / 2)
            _nodes[at] = _nodes[(at - 1) / 2];
        _nodes[at] = (due, _sequence++, number);
    }

    /// <summary>Gives the first one a later time.</summary>
    public void ReplaceFirst(ulong due)
    {
        (ulong Due, ulong Sequence, int Number)[] nodes = _nodes;
        (ulong Due, ulong Sequence, int Number) moved = (due, _sequence++, nodes[0].Number);
        int at = 0;
        for (int child = 1; child < nodes.Length; child = (2 * at) + 1)
        {
            if (child + 1 < nodes.Length && IsBefore(nodes[child + 1], nodes[child]))
                child++;
            if (!IsBefore(nodes[child], moved))
                break;
            nodes[at] = nodes[child];
            at = child;
        }

        nodes[at] = moved;
    }

    private static bool IsBefore(in (ulong Due, ulong Sequence, int Number) one, in (ulong Due, ulong Sequence, int Number) other) =>
        one.Due < other.Due || (one.Due == other.Due && one.Sequence < other.Sequence);
}
