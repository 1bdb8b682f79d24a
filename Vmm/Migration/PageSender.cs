using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Carries pages of a VM into the memory of another one, over a link.</summary>
/// <param name="source">The VM that has them.</param>
/// <param name="target">The VM that gets them.</param>
/// <param name="link">The way.</param>
internal sealed class PageSender(VirtualMachine source, VirtualMachine target, MigrationLink link)
{
    /// <summary>Bytes that go with each page: which one it is, and whether it is zeros.</summary>
    public const ulong HeaderBytes = 16;

    private const int PageBytes = 4096;
    private const int BatchMax = 64;

    private readonly byte[] _batch = new byte[BatchMax * PageBytes];
    private bool _isFirst = true;

    /// <summary>How long it takes to send pages that are no zeros, in nanoseconds.</summary>
    public ulong TimeOf(int pages) => link.TimeOf((ulong)pages * (PageBytes + HeaderBytes));

    /// <summary>Sends pages as they are when their turn comes.</summary>
    /// <param name="kind">What round it is.</param>
    /// <param name="pages">Page numbers of the guest.</param>
    /// <returns>What it took; null where the link broke.</returns>
    public async ValueTask<MigrationRound?> Send(MigrationRoundKind kind, IReadOnlyCollection<ulong> pages)
    {
        ulong begun = link.Loop.NowNs;
        int zeros = 0;
        ulong bytes = 0;
        foreach (ulong[] batch in pages.Chunk(BatchMax))
        {
            int empty = Read(batch);
            ulong size = ((ulong)batch.Length * HeaderBytes) + ((ulong)(batch.Length - empty) * PageBytes);
            Processor processor = source.Host.Cpu.Processor;
            processor.Charge(Cost.Copy, (ulong)batch.Length);
            processor.Charge(Cost.CopiedByte, (ulong)batch.Length * PageBytes);
            await processor.Delay(0);
            if (!await link.Send(size) || !target.IsRunning)
                return null;
            Write(batch);
            (zeros, bytes) = (zeros + empty, bytes + size);
        }

        _isFirst = false;
        return new(kind, pages.Count, zeros, bytes, link.Loop.NowNs - begun);
    }

    private int Read(ulong[] pages)
    {
        int zeros = 0;
        for (int index = 0; index < pages.Length; index++)
        {
            source.Memory.Peek(new(pages[index] << 12), PageAt(index));
            zeros += PageAt(index).ContainsAnyExcept((byte)0) ? 0 : 1;
        }

        return zeros;
    }

    // Memory of a VM begins as zeros: where nothing was written yet, zeros need not be.
    private void Write(ulong[] pages)
    {
        for (int index = 0; index < pages.Length; index++)
        {
            if ((!_isFirst || PageAt(index).ContainsAnyExcept((byte)0)) && !target.Cpu.TryWrite(new(pages[index] << 12), PageAt(index)))
                throw new InvalidOperationException($"Page {pages[index]:X}h of {source} is no memory of {target} on the other computer.");
        }
    }

    private Span<byte> PageAt(int index) => _batch.AsSpan(index * PageBytes, PageBytes);
}
