using System.Buffers.Binary;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The back end's side of a page that it shares with a front end: requests come, responses go.</summary>
/// <remarks>
/// The guest can write anything at any time. A request is read once, as a copy; an index that claims more requests than
/// there are places breaks the ring, for good. So there are never more requests without a response than entries.
/// </remarks>
/// <param name="cpu">The processor through which it is reached; where it reaches nothing there any more, the ring breaks.</param>
/// <param name="page">The first byte of the page.</param>
/// <param name="entryBytes">Bytes in each entry.</param>
internal sealed class BackRing(ICpu cpu, GuestPhysicalAddress page, int entryBytes)
{
    private uint _requests;
    private uint _responses;
    private uint _published;

    /// <summary>Whether the guest broke it.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>How many requests were taken.</summary>
    public uint Requests => _requests;

    /// <summary>How many responses were given.</summary>
    public uint Responses => _responses;

    /// <summary>How many responses the front end has not been shown.</summary>
    public uint Unpublished => _responses - _published;

    /// <summary>Takes a request.</summary>
    /// <returns><c>false</c> where none is there, or the ring is broken.</returns>
    public bool TryTake(Span<byte> request)
    {
        uint made = Read(SharedRing.RequestProducer);
        if (IsBroken || made - _published > SharedRing.CountOf(entryBytes) || made - _published < _requests - _published)
            IsBroken = true;
        if (IsBroken || made == _requests)
            return false;
        _ = cpu.TryRead(page + (ulong)SharedRing.OffsetOf(_requests++, entryBytes), request);
        return true;
    }

    /// <summary>Asks to be woken by the next request.</summary>
    /// <returns><c>false</c> where one came meanwhile.</returns>
    public bool Sleep()
    {
        Write(SharedRing.RequestEvent, _requests + 1);
        return Read(SharedRing.RequestProducer) == _requests;
    }

    /// <summary>Gives a response, to one of the requests that were taken; the front end sees it after <see cref="Publish"/>.</summary>
    /// <exception cref="InvalidOperationException">None is owed: a bug of the caller.</exception>
    public void Add(ReadOnlySpan<byte> response)
    {
        if (_responses == _requests)
            throw new InvalidOperationException("No request is without a response.");
        _ = cpu.TryWrite(page + (ulong)SharedRing.OffsetOf(_responses++, entryBytes), response);
    }

    /// <summary>Shows the front end all responses that were given.</summary>
    /// <returns>Whether it sleeps and has to be woken.</returns>
    public bool Publish()
    {
        uint before = _published;
        _published = _responses;
        Write(SharedRing.ResponseProducer, _published);
        return SharedRing.Wakes(Read(SharedRing.ResponseEvent), before, _published);
    }

    private uint Read(int offset)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        _ = cpu.TryRead(page + (ulong)offset, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    private void Write(int offset, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        _ = cpu.TryWrite(page + (ulong)offset, bytes);
    }
}
