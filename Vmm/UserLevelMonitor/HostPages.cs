using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Pages of a VM for a pseudo-device driver of the host: driver and VMM are one kernel, which finds the frames by itself.</summary>
/// <remarks>
/// A pin says that the frame is shown; it keeps nobody from taking the page away, who has to ask the window first. It is not
/// one of the pins that a guest has a quota of: the window gives it back whenever it is asked.
/// </remarks>
/// <param name="machine">The VM.</param>
/// <param name="shootDown">What happens when a page loses its frame.</param>
internal sealed class HostPages(VirtualMachine machine, ShootDown shootDown) : IWindowPages, IFrameView
{
    private PseudoDevice? _device;

    /// <inheritdoc/>
    public Processor Processor { get; } = new($"monitor of {machine.Name}", machine.Host.Loop, machine.Host.Options.Costs);

    private bool IsTold => shootDown != ShootDown.None;

    /// <inheritdoc/>
    public void Open(PseudoDevice device, ProcessSpace space)
    {
        _device = device;
        machine.Memory.Windows.Open(this);
    }

    /// <inheritdoc/>
    public void Close(PseudoDevice device, ProcessSpace space) => machine.Memory.Windows.Close(this);

    /// <inheritdoc/>
    public bool TryShow(GuestPhysicalAddress page, out GuestPhysicalAddress place)
    {
        Processor.Count(Cost.Hypercall);
        place = default;
        if (machine.Memory.FindFrame(page) is not { } frame)
            return false;

        // Pinned before it can be reached.
        if (IsTold)
        {
            machine.Host.Frames.Pin(frame);
            machine.Memory.Windows.Add(frame, this, page);
        }

        place = new(frame.Value);
        return true;
    }

    /// <inheritdoc/>
    public void Hide(GuestPhysicalAddress page, GuestPhysicalAddress place, bool isWritten)
    {
        // The mark goes with the entry.
        if (isWritten)
            machine.Memory.DirtyLog?.Mark(page);
        if (!IsTold)
            return;
        PhysicalAddress frame = new(place.Value);
        machine.Memory.Windows.Remove(frame, this, page);
        machine.Host.Frames.Unpin(frame);
    }

    /// <inheritdoc/>
    public async ValueTask<HostUsbBuffer?> TryMap(ScatterList list, IUsbStack stack, DmaDirection direction)
    {
        if (stack is not IHostUsbController controller || !list.TryPin())
            return null;
        HostUsbBuffer? mapped = await controller.TryMap(list.Frames, list.Start.PageOffset, list.Length, direction);
        if (mapped is null)
            list.Unpin(isWritten: false);
        return mapped;
    }

    /// <inheritdoc/>
    public async ValueTask Unmap(ScatterList list, IUsbStack stack, HostUsbBuffer mapped, DmaDirection direction)
    {
        await stack.Release(mapped);
        list.Unpin(isWritten: direction != DmaDirection.ToDevice);
    }

    /// <inheritdoc/>
    public PhysicalAddress? Reach(GuestPhysicalAddress place, bool isWrite) => new PhysicalAddress(place.Value);

    /// <inheritdoc/>
    void IFrameView.Invalidate(GuestPhysicalAddress page)
    {
        if (_device!.TryLose(page))
            machine.Host.Cpu.Processor.Charge(Cost.Invalidation);
    }

    /// <inheritdoc/>
    void IFrameView.CollectDirty(SortedSet<ulong> pages) => _device!.CollectDirty(pages);
}
