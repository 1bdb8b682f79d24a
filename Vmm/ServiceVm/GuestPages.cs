namespace Dma.Vmm;

/// <summary>All memory of a VM as if it were granted, page by page: for a service VM that models its devices, which may reach whatever the guest gives them.</summary>
/// <remarks>The number of a grant is that of the page. What is used is pinned, and counts to the quota of the VM.</remarks>
/// <param name="machine">The VM.</param>
internal sealed class GuestPages(VirtualMachine machine) : IGrants
{
    /// <inheritdoc/>
    public bool TryTake(uint grant, bool isWritten, out GrantedPage page)
    {
        page = default;
        if (machine.PinnedPages >= machine.PinnedPagesMax || machine.Memory.FindFrame(new((ulong)grant << (int)FrameSize.Page4K)) is not { } frame)
            return false;
        machine.Host.Frames.Pin(frame);
        machine.PinnedPages++;
        page = new(grant, frame, isWritten);
        return true;
    }

    /// <inheritdoc/>
    public void Return(GrantedPage page)
    {
        machine.Host.Frames.Unpin(page.Frame);
        machine.PinnedPages--;

        // A device may have written it, for all that is known.
        if (page.IsWritable)
            machine.Memory.DirtyLog?.Mark(new((ulong)page.Grant << (int)FrameSize.Page4K));
    }
}
