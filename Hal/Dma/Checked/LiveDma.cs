namespace Dma.Hal;

/// <summary>A mapping as checked mode sees it: its bytes, who mapped it, and which of its bytes the processor has at the moment.</summary>
/// <param name="mapping">The mapping.</param>
/// <param name="pieces">The memory behind it.</param>
/// <param name="mapped">The call that mapped it.</param>
internal sealed class LiveDma(DmaMapping mapping, IReadOnlyList<BufferSegment> pieces, DmaCall mapped)
{
    // None touches another one: offsets in the mapping, half open.
    private List<(int Start, int End)> _withCpu = [];

    public DmaMapping Mapping => mapping;

    public IReadOnlyList<BufferSegment> Pieces => pieces;

    public DmaCall Mapped => mapped;

    /// <summary>Whether the processor has all bytes of a range of memory that lie in the mapping; true where none does.</summary>
    public bool CpuOwns(ulong start, int length)
    {
        int offset = 0;
        foreach (BufferSegment piece in pieces)
        {
            ulong first = Math.Max(start, piece.Address.Value), end = Math.Min(start + (ulong)length, piece.Address.Value + (ulong)piece.Length);
            if (first < end)
            {
                int from = offset + (int)(first - piece.Address.Value), to = offset + (int)(end - piece.Address.Value);
                if (!_withCpu.Exists(range => range.Start <= from && to <= range.End))
                    return false;
            }

            offset += piece.Length;
        }

        return true;
    }

    public bool Overlaps(ulong start, int length) => pieces.Any(piece => Overlap(piece, start, start + (ulong)length));

    /// <summary>Whether it lies in one of the pages of a range and not in the range itself.</summary>
    public bool IsBeside(BufferSegment other)
    {
        ulong first = other.Address.Value & ~0xFFFul, end = (other.Address.Value + (ulong)other.Length + 0xFFF) & ~0xFFFul;
        return pieces.Any(piece => Overlap(piece, first, other.Address.Value) || Overlap(piece, other.Address.Value + (ulong)other.Length, end));
    }

    public void GiveToCpu(int offset, int length)
    {
        (int start, int end) = (offset, offset + length);
        List<(int Start, int End)> ranges = [];
        foreach ((int first, int last) in _withCpu)
        {
            if (last < start || first > end)
                ranges.Add((first, last));
            else
                (start, end) = (Math.Min(start, first), Math.Max(end, last));
        }

        ranges.Add((start, end));
        _withCpu = ranges;
    }

    public void GiveToDevice(int offset, int length)
    {
        int end = offset + length;
        List<(int Start, int End)> ranges = [];
        foreach ((int first, int last) in _withCpu)
        {
            if (first < Math.Min(last, offset))
                ranges.Add((first, Math.Min(last, offset)));
            if (Math.Max(first, end) < last)
                ranges.Add((Math.Max(first, end), last));
        }

        _withCpu = ranges;
    }

    private static bool Overlap(BufferSegment piece, ulong start, ulong end) =>
        piece.Address.Value < end && start < piece.Address.Value + (ulong)piece.Length;
}
