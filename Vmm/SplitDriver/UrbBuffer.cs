using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The data of a request: pages that the guest granted, in use as long as this is, and what the controller gets of them.</summary>
/// <remarks>Mapped, the controller reaches the guest's own pages; copied, it reaches memory of the host.</remarks>
internal sealed class UrbBuffer
{
    private readonly IHostUsbController _controller;
    private readonly PhysicalMemory _memory;
    private readonly IGrants _grants;
    private readonly List<(GrantedPage Page, UrbSegment Segment)> _pieces = [];

    private UrbBuffer(IHostUsbController controller, PhysicalMemory memory, IGrants grants) => (_controller, _memory, _grants) = (controller, memory, grants);

    /// <summary>What the controller reaches; null until <see cref="Prepare"/>, and where there is no data.</summary>
    public HostUsbBuffer? Host { get; private set; }

    /// <summary>Begins to use pages.</summary>
    /// <returns><c>null</c>, and nothing used, where one of them is not granted.</returns>
    public static UrbBuffer? TryTake(IHostUsbController controller, PhysicalMemory memory, IGrants grants, ReadOnlySpan<UrbSegment> segments, bool isWritten)
    {
        UrbBuffer buffer = new(controller, memory, grants);
        foreach (UrbSegment segment in segments)
        {
            if (grants.TryTake(segment.Grant, isWritten, out GrantedPage page))
            {
                buffer._pieces.Add((page, segment));
                continue;
            }

            buffer.Return();
            return null;
        }

        return buffer;
    }

    /// <summary>Maps the pages for the controller, or copies what is in them.</summary>
    /// <param name="length">Bytes of all pieces.</param>
    /// <param name="isIn">Whether the device sends.</param>
    /// <param name="copiedBytesMax">Up to how many bytes are copied.</param>
    /// <returns><c>false</c> where the host has no memory for it.</returns>
    public async ValueTask<bool> Prepare(int length, bool isIn, int copiedBytesMax)
    {
        if (length > copiedBytesMax && LieSideBySide())
        {
            Host = await _controller.TryMap([.. _pieces.Select(piece => piece.Page.Frame)], _pieces[0].Segment.Offset, length, isIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);
            if (Host is not null)
                return true;
        }

        Host = await _controller.TryAllocate(length);
        if (Host is null)
            return false;

        // Nothing of an earlier owner is in it, however many bytes the stack will say that the device sent.
        byte[] bytes = new byte[length];
        if (!isIn)
        {
            Read(bytes);
            Charge(length);
        }

        Host.Memory!.Write(0, bytes);
        return true;
    }

    /// <summary>Brings what the device sent into the guest's pages, where it is not there already.</summary>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Bytes.</param>
    public void Deliver(int offset, int length)
    {
        if (Host?.Memory is not { } memory || length == 0)
            return;
        byte[] bytes = new byte[length];
        memory.Read(offset, bytes);
        Write(offset, bytes);
        Charge(length);
    }

    /// <summary>Reads the bytes of all pieces.</summary>
    public void Read(Span<byte> bytes)
    {
        foreach ((GrantedPage page, UrbSegment segment) in _pieces)
        {
            _ = _memory.TryRead(page.Frame + segment.Offset, bytes[..segment.Length]);
            bytes = bytes[segment.Length..];
        }
    }

    /// <summary>Writes into the pieces.</summary>
    /// <param name="offset">Where to begin, counted over all pieces.</param>
    /// <param name="bytes">The bytes.</param>
    public void Write(int offset, ReadOnlySpan<byte> bytes)
    {
        foreach ((GrantedPage page, UrbSegment segment) in _pieces)
        {
            int skip = Math.Min(offset, segment.Length);
            int step = Math.Min(segment.Length - skip, bytes.Length);
            _ = _memory.TryWrite(page.Frame + segment.Offset + (ulong)skip, bytes[..step]);
            offset -= skip;
            bytes = bytes[step..];
        }
    }

    /// <summary>Ends all of it: first the controller, then the grants.</summary>
    public async ValueTask Release()
    {
        if (Host is { } host)
            await _controller.Release(host);
        Host = null;
        Return();
    }

    private void Return()
    {
        foreach ((GrantedPage page, _) in _pieces)
            _grants.Return(page);
        _pieces.Clear();
    }

    // The controller sees whole pages in a row: only the first piece may begin inside one, and only the last may end there.
    private bool LieSideBySide()
    {
        for (int index = 0; index < _pieces.Count; index++)
        {
            UrbSegment segment = _pieces[index].Segment;
            if ((index != 0 && segment.Offset != 0) || (index != _pieces.Count - 1 && segment.Offset + segment.Length != SharedRing.PageBytes))
                return false;
        }

        return true;
    }

    private void Charge(int bytes)
    {
        _controller.Processor.Charge(Cost.Copy);
        _controller.Processor.Charge(Cost.CopiedByte, (ulong)bytes);
    }
}
