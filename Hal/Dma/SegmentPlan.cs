using Dma.Machine;

namespace Dma.Hal;

/// <summary>How the pieces of a scatter-gather list become segments of a device: merged where they touch, cut where they are too long, joined where a page ends.</summary>
/// <remarks>
/// <code>
///   pieces      [ page 3, 2nd half ][ page 4 ]      [ page 9 ]      [ 100 bytes of page 7 ]
///   merged      [ page 3 ........ page 4     ]      [ page 9 ]      [ 100 bytes           ]
///   joined      [ page 3 ........ page 4        and   page 9 ]      [ 100 bytes           ]   where addresses are translated
/// </code>
/// </remarks>
/// <param name="pieces">The pieces, each at least a byte of memory.</param>
/// <param name="limits">What the device takes.</param>
/// <param name="canJoin">Whether pages that lie apart can have device addresses side by side.</param>
/// <param name="fit">How much of a piece fits into one segment.</param>
internal sealed class SegmentPlan(IReadOnlyList<BufferSegment> pieces, DmaLimits limits, bool canJoin, Func<GuestPhysicalAddress, int, int> fit)
{
    private const int PageMask = FrameAllocator.FrameSize - 1;

    /// <summary>The segments in order, each of one piece or of several that meet at borders of pages.</summary>
    public IEnumerable<List<BufferSegment>> Segments
    {
        get
        {
            List<BufferSegment> segment = [];
            foreach (BufferSegment piece in Cut())
            {
                if (segment.Count != 0 && !Joins(segment, piece))
                {
                    yield return segment;
                    segment = [];
                }

                segment.Add(piece);
            }

            yield return segment;
        }
    }

    private static int EndOf(BufferSegment piece) => (piece.Address.PageOffset + piece.Length) & PageMask;

    private bool Joins(List<BufferSegment> segment, BufferSegment next)
    {
        if (!canJoin || EndOf(segment[^1]) != 0 || next.Address.PageOffset != 0)
            return false;
        long length = next.Length;
        foreach (BufferSegment piece in segment)
            length += piece.Length;
        return length <= limits.SegmentBytesMax && length <= fit(segment[0].Address, int.MaxValue);
    }

    private IEnumerable<BufferSegment> Cut()
    {
        for (int next = 0; next < pieces.Count;)
        {
            BufferSegment piece = Merge(ref next);
            while (piece.Length != 0)
            {
                int step = fit(piece.Address, piece.Length);

                // A cut at the border of a page: so that no page is in two segments, if it can be had.
                int over = (piece.Address.PageOffset + step) & PageMask;
                if (step < piece.Length && over < step)
                    step -= over;
                yield return piece with { Length = step };
                piece = new(piece.Address + (ulong)step, piece.Length - step);
            }
        }
    }

    // The piece at `next` together with all that follow it without a gap, as far as one length can say.
    private BufferSegment Merge(ref int next)
    {
        BufferSegment piece = pieces[next++];
        while (next < pieces.Count
            && pieces[next].Address.Value == unchecked(piece.Address.Value + (ulong)piece.Length)
            && pieces[next].Length <= int.MaxValue - piece.Length)
        {
            piece = piece with { Length = piece.Length + pieces[next++].Length };
        }

        return piece;
    }
}
