using Dma.Machine;

namespace Dma.Hal;

/// <summary>The posted-interrupt descriptors of a host, 64 of them in each frame; frames are kept for the next ones.</summary>
/// <param name="memory">Where frames come from.</param>
internal sealed class PostedDescriptors(TableMemory memory)
{
    private const ulong Bytes = 64;

    private readonly Stack<GuestPhysicalAddress> _free = new();
    private readonly Stack<GuestPhysicalAddress> _frames = new();

    /// <summary>Takes a descriptor of zeros; <c>false</c> when no frame is left.</summary>
    public bool TryTake(out PhysicalAddress descriptor)
    {
        if (_free.Count == 0 && !TryAddFrame())
        {
            descriptor = default;
            return false;
        }

        GuestPhysicalAddress taken = _free.Pop();
        for (ulong offset = 0; offset < Bytes; offset += sizeof(ulong))
            memory.Write64(taken + offset, 0);
        descriptor = TableMemory.ForUnit(taken);
        return true;
    }

    /// <summary>Gives a descriptor back; no entry may lead to it any more.</summary>
    public void Return(PhysicalAddress descriptor) => _free.Push(TableMemory.FromUnit(descriptor));

    /// <summary>Gives all frames back; the unit posts nothing any more.</summary>
    public void Close()
    {
        _free.Clear();
        while (_frames.TryPop(out GuestPhysicalAddress frame))
            memory.Free(frame);
    }

    private bool TryAddFrame()
    {
        if (!memory.TryAllocate(out GuestPhysicalAddress frame))
            return false;
        _frames.Push(frame);
        for (ulong end = FrameAllocator.FrameSize; end > 0; end -= Bytes)
            _free.Push(frame + (end - Bytes));
        return true;
    }
}
