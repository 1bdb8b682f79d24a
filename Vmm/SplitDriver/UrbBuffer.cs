using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The data of a request: pieces of pages that the guest granted, and what the controller gets of them.</summary>
/// <remarks>Mapped, the controller reaches the guest's own pages; copied, it reaches memory of the stack.</remarks>
/// <param name="stack">The stack.</param>
/// <param name="segments">The pieces.</param>
internal abstract class UrbBuffer(IUsbStack stack, ReadOnlyMemory<UrbSegment> segments)
{
    private bool _isMapped;

    /// <summary>What the controller reaches; null until <see cref="Prepare"/>, and where there is no data.</summary>
    public HostUsbBuffer? Host { get; private set; }

    /// <summary>The pieces.</summary>
    protected ReadOnlyMemory<UrbSegment> Segments => segments;

    /// <summary>The stack.</summary>
    protected IUsbStack Stack => stack;

    /// <summary>Maps the pages for the controller, or copies what is in them.</summary>
    /// <param name="length">Bytes of all pieces, at least 1.</param>
    /// <param name="isIn">Whether the device sends.</param>
    /// <param name="copiedBytesMax">Up to how many bytes are copied.</param>
    /// <returns><see cref="UrbStatus.Ok"/>; <see cref="UrbStatus.Invalid"/> where a piece is not granted; <see cref="UrbStatus.IoError"/> where there is no memory for it.</returns>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<UrbStatus> Prepare(int length, bool isIn, int copiedBytesMax)
    {
        if (length > copiedBytesMax && LieSideBySide())
        {
            (UrbStatus status, Host) = await TryMap(length, isIn ? DmaDirection.FromDevice : DmaDirection.ToDevice);
            _isMapped = Host is not null;
            if (_isMapped || status != UrbStatus.Ok)
                return status;
        }

        Host = await stack.TryAllocate(length);
        if (Host is null)
            return UrbStatus.IoError;
        if (!isIn)
            return await CopyIn(Host.Memory!, length) ? UrbStatus.Ok : UrbStatus.Invalid;

        // Nothing of an earlier owner is in it, however many bytes the stack will say that the device sent.
        Host.Memory!.Clear(0, length);
        return UrbStatus.Ok;
    }

    /// <summary>Brings what the device sent into the guest's pages, where it is not there already.</summary>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Bytes.</param>
    /// <returns><c>false</c> where a piece is not granted.</returns>
    public ValueTask<bool> Deliver(int offset, int length) =>
        Host?.Memory is { } memory && length != 0 ? CopyOut(memory, offset, length) : new(true);

    /// <summary>Reads the bytes of all pieces.</summary>
    /// <returns><c>false</c> where a piece is not granted.</returns>
    public abstract ValueTask<bool> TryRead(Memory<byte> bytes);

    /// <summary>Writes into the pieces, from the first byte on.</summary>
    /// <returns><c>false</c> where a piece is not granted.</returns>
    public abstract ValueTask<bool> TryWrite(ReadOnlyMemory<byte> bytes);

    /// <summary>Ends all of it: first the controller, then the grants.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask Release()
    {
        if (Host is { } host)
            await (_isMapped ? Unmap(host) : stack.Release(host));
        Host = null;
        Return();
    }

    /// <summary>Lets the controller reach the pages themselves, side by side.</summary>
    /// <returns>What it reaches; null with <see cref="UrbStatus.Ok"/> where copying may do, and with another status where nothing will.</returns>
    protected abstract ValueTask<(UrbStatus Status, HostUsbBuffer? Buffer)> TryMap(int length, DmaDirection direction);

    /// <summary>When it completes, the controller reaches the pages no more.</summary>
    protected abstract ValueTask Unmap(HostUsbBuffer mapped);

    /// <summary>Copies from the pieces into memory of the stack, from the first byte on.</summary>
    /// <returns><c>false</c> where a piece is not granted.</returns>
    protected abstract ValueTask<bool> CopyIn(MemoryBuffer to, int length);

    /// <summary>Copies from memory of the stack into the pieces: the same part of both.</summary>
    /// <returns><c>false</c> where a piece is not granted.</returns>
    protected abstract ValueTask<bool> CopyOut(MemoryBuffer from, int offset, int length);

    /// <summary>Ends the use of the grants.</summary>
    protected virtual void Return()
    {
    }

    // The controller sees whole pages in a row: only the first piece may begin inside one, and only the last may end there.
    private bool LieSideBySide()
    {
        ReadOnlySpan<UrbSegment> pieces = segments.Span;
        for (int index = 0; index < pieces.Length; index++)
        {
            UrbSegment piece = pieces[index];
            if ((index != 0 && piece.Offset != 0) || (index != pieces.Length - 1 && piece.Offset + piece.Length != SharedRing.PageBytes))
                return false;
        }

        return true;
    }
}
