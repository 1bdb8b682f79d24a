using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Takes pages of a VM out of their frames while the VM runs: to other frames, or to the backing store.</summary>
/// <remarks>
/// <code>
///   pinned? --> taken back from windows and from devices that can ask for it --> write-protected --> copied --> still protected?
///      |                                                                                         |         |
///   refused                                                      frame changed, old one given back   copy dropped
/// </code>
/// A pinned page stays: its device cannot be told to wait. Whoever writes a page on its way, or pins it, lifts the
/// protection by that, and the page stays too. The processor modelled keeps no translations; what telling it would cost is charged.
/// </remarks>
public sealed class PageMover
{
    private readonly VirtualMachine _machine;
    private readonly HashSet<ulong> _onTheWay = [];

    internal PageMover(VirtualMachine machine) => _machine = machine;

    private FrameTable Frames => _machine.Host.Frames;

    private EptTables Tables => _machine.Memory.Tables;

    /// <summary>Moves a page to another frame.</summary>
    /// <param name="address">Any address in it.</param>
    /// <param name="target">The frame, a free one; null for the lowest that is free.</param>
    /// <returns><see cref="PageRefusal.None"/>, or why it stayed.</returns>
    public ValueTask<PageRefusal> Move(GuestPhysicalAddress address, PhysicalAddress? target = null) => Take(new(address.Value & ~0xFFFul), async (page, source) =>
    {
        if (!TryTakeFrame(target, out PhysicalAddress frame))
            return PageRefusal.NoFrame;
        Copy(source, frame);
        await Charge();
        if (!IsUntouched(page, source))
        {
            Frames.Free(_machine.Owner, frame, FrameSize.Page4K);
            return Frames.PinsOf(source) != 0 ? PageRefusal.Pinned : PageRefusal.Changed;
        }

        Tables.Change(page, frame, EptRights.All);
        _machine.Memory.Lazy?.Follow(page, frame);
        _machine.Memory.DirtyLog?.Mark(page);
        Frames.Free(_machine.Owner, source, FrameSize.Page4K);
        return PageRefusal.None;
    });

    /// <summary>Takes a page's frame away; what it holds comes back in another one when the page is touched.</summary>
    /// <param name="address">Any address in it.</param>
    /// <returns><see cref="PageRefusal.None"/>, or why it stayed.</returns>
    public ValueTask<PageRefusal> SwapOut(GuestPhysicalAddress address) => Take(new(address.Value & ~0xFFFul), async (page, source) =>
    {
        await Charge();
        if (!IsUntouched(page, source))
            return Frames.PinsOf(source) != 0 ? PageRefusal.Pinned : PageRefusal.Changed;
        _machine.Memory.TakeOut(page, source);
        return PageRefusal.None;
    });

    /// <summary>The guest gives a page up: its frame goes back to the host, and what it held is gone (a balloon that is inflated).</summary>
    /// <remarks>A guest that touches it again has a page of zeros there.</remarks>
    /// <param name="address">Any address in it.</param>
    /// <returns><see cref="PageRefusal.None"/>, or why it stayed.</returns>
    public ValueTask<PageRefusal> Balloon(GuestPhysicalAddress address) => Take(new(address.Value & ~0xFFFul), (page, source) =>
    {
        _machine.Host.Cpu.Processor.Charge(Cost.Invalidation);
        _machine.Memory.TakeOut(page, source);
        _machine.Memory.Store.Forget(page.Page);
        return new(PageRefusal.None);
    });

    private async ValueTask<PageRefusal> Take(GuestPhysicalAddress page, Func<GuestPhysicalAddress, PhysicalAddress, ValueTask<PageRefusal>> leave)
    {
        PageRefusal refusal = Check(page, out PhysicalAddress source);
        if (refusal != PageRefusal.None)
            return refusal;
        if (!_onTheWay.Add(page.Page))
            return PageRefusal.Busy;
        try
        {
            // Devices that can ask for it again lose it first, caches and all. Meanwhile it may have become anything.
            foreach (LazyDevice device in _machine.LazyDevices.ToArray())
                await device.TakeBack(page);
            refusal = Check(page, out source);
            if (refusal != PageRefusal.None)
                return refusal;
            if (_machine.Memory.Lazy?.IsHeld(page) == true)
                return PageRefusal.Changed;
            if (!Tables.TrySplit(page))
                return PageRefusal.NoFrame;
            Tables.Change(page, source, EptRights.Read | EptRights.Execute);
            refusal = await leave(page, source);
            if (refusal != PageRefusal.None && IsUntouched(page, source))
                Tables.Change(page, source, EptRights.All);
            return refusal;
        }
        finally
        {
            _ = _onTheWay.Remove(page.Page);
        }
    }

    private PageRefusal Check(GuestPhysicalAddress page, out PhysicalAddress frame)
    {
        EptWalkResult found = Tables.Walk(page, EptRights.None);
        frame = found.Address;
        if (!_machine.IsRunning || !_machine.Memory.Contains(page, FrameSize.Page4K.Bytes))
            return PageRefusal.NotMemory;
        if (found.Outcome != EptOutcome.Mapped)
            return PageRefusal.NotResident;
        return _machine.Memory.TryLoosen(frame) ? PageRefusal.None : PageRefusal.Pinned;
    }

    // Protected still, so that nobody has written it, pinned it or given it to a device since.
    private bool IsUntouched(GuestPhysicalAddress page, PhysicalAddress source)
    {
        EptWalkResult found = Tables.Walk(page, EptRights.Read);
        return found.Outcome == EptOutcome.Mapped && found.Address == source && (found.Rights & EptRights.Write) == 0;
    }

    private bool TryTakeFrame(PhysicalAddress? target, out PhysicalAddress frame)
    {
        frame = target ?? default;
        return target is { } wanted
            ? FrameSize.Page4K.IsAligned(wanted.Value) && Frames.TryReserve(_machine.Owner, wanted, FrameSize.Page4K.Bytes)
            : Frames.TryAllocate(_machine.Owner, FrameSize.Page4K, out frame);
    }

    private void Copy(PhysicalAddress from, PhysicalAddress to)
    {
        Span<byte> bytes = stackalloc byte[(int)FrameSize.Page4K.Bytes];
        _ = Frames.Memory.TryRead(from, bytes);
        _ = Frames.Memory.TryWrite(to, bytes);
    }

    private ValueTask Charge()
    {
        Processor processor = _machine.Host.Cpu.Processor;
        processor.Charge(Cost.Invalidation);
        processor.Charge(Cost.Copy);
        processor.Charge(Cost.CopiedByte, FrameSize.Page4K.Bytes);
        return processor.Delay(0);
    }
}
