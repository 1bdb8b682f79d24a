using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The pages behind a range of a VM's memory, for transfers that go there without a copy (scatter/gather list).</summary>
/// <remarks>
/// A list is kept and used again, as a model uses a ring or a buffer: as long as no page has left the window since, its frames
/// are those of the last time. While a transfer uses it, they are pinned, and these pins count to the quota of the VM. In a service VM it is
/// the VMM that looks for the frames, each time.
/// </remarks>
public sealed class ScatterList
{
    private readonly UserLevelMonitor _monitor;
    private readonly List<PhysicalAddress> _frames = [];
    private ulong? _generation;
    private int _users;

    internal ScatterList(UserLevelMonitor monitor, GuestPhysicalAddress start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        (_monitor, Start, Length) = (monitor, start, length);
    }

    /// <summary>The first byte, guest-physical.</summary>
    public GuestPhysicalAddress Start { get; }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>How often the window was asked for all pages.</summary>
    public int Gathered { get; private set; }

    /// <summary>The frames, in order, while they are pinned.</summary>
    internal IReadOnlyList<PhysicalAddress> Frames => _frames;

    private ulong Pages => ((ulong)Start.PageOffset + (ulong)Length + FrameSize.Page4K.Bytes - 1) / FrameSize.Page4K.Bytes;

    private VirtualMachine Machine => _monitor.Machine;

    /// <inheritdoc cref="IWindowPages.TryMap"/>
    internal ValueTask<HostUsbBuffer?> TryMap(IUsbStack stack, DmaDirection direction) => _monitor.Pages.TryMap(this, stack, direction);

    /// <inheritdoc cref="IWindowPages.Unmap"/>
    internal ValueTask Unmap(IUsbStack stack, HostUsbBuffer mapped, DmaDirection direction) => _monitor.Pages.Unmap(this, stack, mapped, direction);

    /// <summary>A transfer begins.</summary>
    /// <returns><c>false</c>, and nothing pinned, where a byte is no memory of the VM, or the VM has no more pages to be pinned.</returns>
    internal bool TryPin()
    {
        if (!_monitor.IsAlive || Pages > Machine.PinnedPagesMax || Machine.PinnedPages > Machine.PinnedPagesMax - Pages)
            return false;

        // What is pinned is where it was, whatever left the window.
        if (_users == 0 && _generation != _monitor.Generation && !TryGather())
            return false;
        foreach (PhysicalAddress frame in _frames)
            Machine.Host.Frames.Pin(frame);
        Machine.PinnedPages += Pages;
        _users++;
        return true;
    }

    /// <summary>The transfer has ended.</summary>
    /// <param name="isWritten">Whether it wrote memory of the VM.</param>
    internal void Unpin(bool isWritten)
    {
        foreach (PhysicalAddress frame in _frames)
            Machine.Host.Frames.Unpin(frame);
        Machine.PinnedPages -= Pages;
        _users--;
        for (ulong page = 0; isWritten && page < Pages; page++)
            Machine.Memory.DirtyLog?.Mark(Start + (page << (int)FrameSize.Page4K));
    }

    // Each page is pinned until all are found: a window, or a VM, with few frames could take it away for the next one.
    private bool TryGather()
    {
        Gathered++;
        _frames.Clear();
        (_generation, ulong generation) = (null, _monitor.Generation);
        ulong first = Start.Value & ~(FrameSize.Page4K.Bytes - 1);
        for (ulong page = 0; page < Pages && _monitor.TryFindFrame(new(first + (page << (int)FrameSize.Page4K)), out PhysicalAddress frame); page++)
        {
            Machine.Host.Frames.Pin(frame);
            _frames.Add(frame);
        }

        foreach (PhysicalAddress frame in _frames)
            Machine.Host.Frames.Unpin(frame);
        if ((ulong)_frames.Count != Pages)
            return false;
        if (generation == _monitor.Generation)
            _generation = generation;
        return true;
    }
}
