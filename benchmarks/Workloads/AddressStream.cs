namespace Dma.Workloads;

/// <summary>An endless stream of addresses that visits every page of a working set equally often, in random order.</summary>
internal sealed class AddressStream
{
    private const int Seed = 1;
    private const int LengthMin = 4096;

    private readonly ulong[] _addresses;
    private int _next;

    /// <summary>The stream of a working set; it is the same each time.</summary>
    /// <param name="set">Which pages.</param>
    /// <param name="start">The address of the first page.</param>
    /// <param name="alignment">Every address is a multiple of this, a power of two.</param>
    public AddressStream(WorkingSet set, ulong start, int alignment = sizeof(ulong))
    {
        Random random = new(Seed);
        _addresses = new ulong[Math.Max(set.Pages, LengthMin)];
        for (int index = 0; index < _addresses.Length; index++)
        {
            ulong place = (ulong)random.NextInt64(1L << set.PageShift) & ~((ulong)alignment - 1);
            _addresses[index] = start + ((ulong)(index % set.Pages) << set.PageShift) + place;
        }

        random.Shuffle(_addresses);
    }

    private AddressStream(ulong[] addresses, int next) => (_addresses, _next) = (addresses, next);

    /// <summary>All addresses, each page of the set among them.</summary>
    public ReadOnlySpan<ulong> All => _addresses;

    /// <summary>The same stream from its middle: two sides that run in turns do not warm the caches for each other.</summary>
    public AddressStream FromMiddle() => new(_addresses, _addresses.Length / 2 / Workload.OperationsPerBatch * Workload.OperationsPerBatch);

    /// <summary>The addresses of the next batch.</summary>
    public ReadOnlySpan<ulong> NextBatch()
    {
        ReadOnlySpan<ulong> batch = _addresses.AsSpan(_next, Workload.OperationsPerBatch);
        _next = (_next + Workload.OperationsPerBatch) % _addresses.Length;
        return batch;
    }
}
