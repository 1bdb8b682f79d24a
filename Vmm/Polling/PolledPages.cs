using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory that stands for the registers of one device: a frame for each page that is polled, in the EPT of one VM alone.</summary>
/// <remarks>
/// The frames are the VMM's, so that no device of the guest reaches them and no other VM gets them. They are mapped where the guest
/// decodes the BAR; where it decodes it between pages, over memory or over something else that is mapped, accesses exit.
/// </remarks>
internal sealed class PolledPages
{
    private readonly VirtualMachine _machine;
    private readonly PhysicalAddress?[] _frames;
    private readonly bool[] _isMapped;
    private ulong? _at;

    /// <summary>Takes frames for some pages of a BAR.</summary>
    /// <exception cref="InvalidOperationException">The host has no frame left.</exception>
    public PolledPages(VirtualMachine machine, int pages, Func<int, bool> isPolled)
    {
        _machine = machine;
        _frames = new PhysicalAddress?[pages];
        _isMapped = new bool[pages];
        for (int page = 0; page < pages; page++)
        {
            if (!isPolled(page))
                continue;
            if (!machine.Host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page4K, out PhysicalAddress frame))
            {
                Free();
                throw new InvalidOperationException("The host has no frame left for registers that are polled.");
            }

            _frames[page] = frame;
            _ = machine.Host.Memory.Clear(frame, FrameSize.Page4K.Bytes);
        }
    }

    /// <summary>How many pages are mapped now.</summary>
    public int Mapped => _isMapped.Count(static isMapped => isMapped);

    /// <summary>Whether a page is memory.</summary>
    public bool IsPolled(int page) => _frames[page] is not null;

    /// <summary>Where a register is in the memory of the host.</summary>
    /// <param name="offset">Its first byte behind the BAR, in a page that is polled.</param>
    public PhysicalAddress AddressOf(int offset) => _frames[offset >> 12]!.Value + (ulong)(offset & 0xFFF);

    /// <summary>Follows the guest's BAR.</summary>
    /// <param name="at">Where the guest decodes it; null where it does not.</param>
    public void Follow(ulong? at)
    {
        if (at == _at)
            return;
        Unmap();
        _at = at;
        for (int page = 0; at is { } start && page < _frames.Length; page++)
            _isMapped[page] = _frames[page] is { } frame && TryMap(start + ((ulong)page << 12), frame);
    }

    /// <summary>Gives the frames back.</summary>
    public void Close()
    {
        Follow(null);
        Free();
    }

    private bool TryMap(ulong at, PhysicalAddress frame) =>
        FrameSize.Page4K.IsAligned(at) && at >> 48 == 0
        && !_machine.Memory.Contains(new(at), 1)
        && _machine.Memory.Tables.Walk(new(at), EptRights.None).Outcome == EptOutcome.Violation
        && _machine.Memory.Tables.TryMap(new(at), frame, FrameSize.Page4K, EptRights.ReadWrite, EptMemoryType.WriteBack);

    private void Unmap()
    {
        for (int page = 0; page < _frames.Length; page++)
        {
            if (_isMapped[page])
                _machine.Memory.Tables.Remove(new(_at!.Value + ((ulong)page << 12)), _frames[page]!.Value, FrameSize.Page4K);
            _isMapped[page] = false;
        }
    }

    private void Free()
    {
        foreach (PhysicalAddress? frame in _frames)
        {
            if (frame is { } owned)
                _machine.Host.Frames.Free(FrameOwner.Vmm, owned, FrameSize.Page4K);
        }

        Array.Clear(_frames);
    }
}
