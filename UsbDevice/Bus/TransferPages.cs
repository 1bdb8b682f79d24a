using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>Where the bytes lie that the transfer at hand has still to move, as its controller knows it: pages of 4 KiB, the first byte somewhere in the first.</summary>
/// <remarks>A controller has one of them, and fills it in for each packet.</remarks>
public sealed class TransferPages
{
    /// <summary>The most pages.</summary>
    public const int CountMax = 5;

    private const int PageBytes = 4096;

    private readonly Iova[] _pages = new Iova[CountMax];
    private int _count;

    /// <summary>Where in the first page it begins.</summary>
    public int Offset { get; private set; }

    /// <summary>Bytes.</summary>
    public int Bytes { get; private set; }

    /// <summary>The first byte.</summary>
    public Iova Start => _pages[0] + (ulong)Offset;

    /// <summary>Whether all bytes lie in a row.</summary>
    public bool AreInRow
    {
        get
        {
            for (int page = 1; page < _count; page++)
            {
                if (_pages[page] != _pages[page - 1] + PageBytes)
                    return false;
            }

            return (long)_count * PageBytes >= Offset + Bytes;
        }
    }

    /// <summary>Begins to name pages.</summary>
    /// <param name="offset">Where in the first one the bytes begin.</param>
    /// <param name="bytes">How many there are.</param>
    public void Begin(int offset, int bytes) => (_count, Offset, Bytes) = (0, offset, bytes);

    /// <summary>Names the next page, which is one of at most <see cref="CountMax"/>.</summary>
    public void Add(Iova page) => _pages[_count++] = page;
}
