using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Counts the bytes that change in memory although nobody who may write there is at work.</summary>
/// <remarks>
/// It compares every byte of the host's memory that is not the attacker's. While the VMM works for a guest, its tables may
/// change: such stretches are left out, and everything between them is compared.
/// </remarks>
/// <param name="host">The host.</param>
internal sealed class IsolationWatch(Host host)
{
    private (PhysicalAddress Start, ulong Length)[] _ranges = [];
    private MemorySnapshot? _then;
    private ulong _changed;

    /// <summary>Begins to watch.</summary>
    /// <param name="attacker">Whose own memory may change.</param>
    /// <param name="besides">Frames of the attacker's own that must not change all the same.</param>
    /// <param name="except">Frames of the host that the hardware writes as it should, such as a queue; null for none.</param>
    public void Begin(VirtualMachine attacker, IEnumerable<PhysicalAddress> besides, IEnumerable<PhysicalAddress>? except = null)
    {
        _changed = 0;
        _ranges = [.. MemoryOfOthers(attacker, except ?? []), .. besides.Select(frame => (frame, FrameSize.Page4K.Bytes))];
        Resume();
    }

    /// <summary>From now on the VMM may change what is its own.</summary>
    public void Pause()
    {
        _changed += _then?.CountChangedBytes(host.Memory) ?? 0;
        _then = null;
    }

    /// <summary>From now on nothing may change any more.</summary>
    public void Resume() => _then = new(host.Memory, _ranges);

    /// <summary>Ends the watch.</summary>
    /// <returns>How many bytes changed that must not.</returns>
    public ulong End()
    {
        Pause();
        return _changed;
    }

    // All memory there is, without the blocks of one VM and some frames.
    private IEnumerable<(PhysicalAddress Start, ulong Length)> MemoryOfOthers(VirtualMachine attacker, IEnumerable<PhysicalAddress> except)
    {
        (PhysicalAddress Start, ulong Length)[] left =
        [
            .. attacker.Memory.Blocks.Select(block => (block.Host, block.Size.Bytes))
                .Concat(except.Select(frame => (frame, FrameSize.Page4K.Bytes)))
                .OrderBy(block => block.Item1),
        ];
        foreach ((PhysicalAddress start, ulong length) in host.Memory.Extents)
        {
            PhysicalAddress at = start;
            PhysicalAddress end = start + length;
            foreach ((PhysicalAddress block, ulong bytes) in left)
            {
                if (block < at || block >= end)
                    continue;
                if (block > at)
                    yield return (at, block - at);
                at = block + bytes;
            }

            if (at < end)
                yield return (at, end - at);
        }
    }
}
