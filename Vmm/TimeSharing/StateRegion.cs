using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Memory of a VM in which the VMM keeps the state of its controller; the processor of the VM does not reach it.</summary>
/// <remarks>
/// <code>
/// frame 0     registers, which the VMM writes: no device reaches it
/// frame 1     entry 0 of a context array | array of scratchpad pages      behind the window of addresses that drivers are given, read-only
/// frame 2 ... scratchpad pages                                            behind it
/// </code>
/// What the controller saves by itself goes where a controller saves: into scratchpad pages. It reaches them through the tables of the VM. A VM that
/// points a transfer there spoils nothing: they hold something only from the end of its turn to the beginning of the next, while nothing of it runs.
/// </remarks>
/// <param name="host">The host.</param>
/// <param name="owner">Whose frames they are.</param>
/// <param name="frames">The frames.</param>
internal sealed class StateRegion(Host host, FrameOwner owner, IReadOnlyList<PhysicalAddress> frames)
{
    private const ulong PageBytes = 4096;
    private const int ScratchpadArray = 64;

    /// <summary>The most scratchpad pages that it has room for.</summary>
    public const int ScratchpadPagesMax = ((int)PageBytes - ScratchpadArray) / sizeof(ulong);

    /// <summary>The device address of a context array whose entry 0 leads to the scratchpad pages.</summary>
    public static ulong ContextArray => DmaMappings.WindowStart + DmaMappings.WindowLength;

    /// <summary>Bytes that the controller saved by itself at last; 0 for none.</summary>
    public int ScratchpadBytes => frames.Count > 2 && host.Memory.TryRead(frames[2], out ulong length) ? (int)Math.Min(length, (ulong)frames.Count * PageBytes) : 0;

    /// <summary>Takes frames.</summary>
    /// <param name="host">The host.</param>
    /// <param name="owner">Whose they become.</param>
    /// <param name="scratchpads">Scratchpad pages; 0 for none.</param>
    /// <returns><c>null</c> where there are not enough; nothing changed then.</returns>
    public static StateRegion? TryTake(Host host, FrameOwner owner, int scratchpads)
    {
        List<PhysicalAddress> frames = [];
        StateRegion region = new(host, owner, frames);
        for (int count = scratchpads == 0 ? 1 : 2 + scratchpads; count > 0; count--)
        {
            if (!host.Frames.TryAllocate(owner, FrameSize.Page4K, out PhysicalAddress frame))
            {
                region.Free();
                return null;
            }

            frames.Add(frame);
        }

        return region;
    }

    /// <summary>Lets the controller reach its pages through the tables of the VM.</summary>
    /// <returns><c>false</c> where no memory is left for tables.</returns>
    public async ValueTask<bool> TryMap(RemappingDomain domain)
    {
        for (int index = 1; index < frames.Count; index++)
        {
            Write(frames[1], index == 1 ? 0 : ScratchpadArray + ((index - 2) * sizeof(ulong)), AddressOf(index) + (index == 1 ? (ulong)ScratchpadArray : 0));
            DmaDirection direction = index == 1 ? DmaDirection.ToDevice : DmaDirection.Bidirectional;
            if (await domain.Map(new(AddressOf(index)), new(frames[index].Value), PageBytes, direction) != DmaRefusal.None)
                return false;
        }

        return true;
    }

    /// <summary>The registers.</summary>
    public T Read<T>()
        where T : unmanaged
    {
        _ = host.Memory.TryRead(frames[0], out T state);
        return state;
    }

    /// <summary>Writes the registers.</summary>
    public void Write<T>(in T state)
        where T : unmanaged => _ = host.Memory.TryWrite(frames[0], state);

    /// <summary>Gives the frames back; no device reaches them any more.</summary>
    public void Free()
    {
        foreach (PhysicalAddress frame in frames)
            host.Frames.Free(owner, frame, FrameSize.Page4K);
    }

    // Frame 1 is the first that the controller reaches.
    private static ulong AddressOf(int frame) => ContextArray + ((ulong)(frame - 1) * PageBytes);

    private void Write(PhysicalAddress frame, int offset, ulong value) => _ = host.Memory.TryWrite(new PhysicalAddress(frame.Value + (ulong)offset), value);
}
