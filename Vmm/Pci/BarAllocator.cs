namespace Dma.Vmm;

/// <summary>Hands out places for BARs, each on pages of its own so that they can be mapped into a guest.</summary>
/// <param name="start">The first address.</param>
/// <param name="end">The first address after the last.</param>
internal sealed class BarAllocator(ulong start, ulong end)
{
    private readonly SortedDictionary<ulong, ulong> _taken = [];

    /// <summary>Takes the lowest place that fits.</summary>
    /// <param name="size">Bytes, a power of two.</param>
    /// <param name="address">The place, a multiple of the size and of 4096.</param>
    /// <returns><c>false</c> where no place fits.</returns>
    public bool TryTake(ulong size, out ulong address)
    {
        ulong length = Math.Max(size, FrameSize.Page4K.Bytes);
        address = Align(start, length);
        foreach ((ulong taken, ulong takenLength) in _taken)
        {
            if (address + length <= taken)
                break;
            address = Math.Max(address, Align(taken + takenLength, length));
        }

        if (address > end || length > end - address)
            return false;
        _taken.Add(address, length);
        return true;
    }

    /// <summary>Gives a place back.</summary>
    public void Return(ulong address) => _taken.Remove(address);

    private static ulong Align(ulong address, ulong alignment) => (address + alignment - 1) & ~(alignment - 1);
}
