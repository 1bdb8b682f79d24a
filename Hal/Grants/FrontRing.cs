using Dma.Hal.Spec;

namespace Dma.Hal;

/// <summary>The front end's side of a page that it shares with a back end: requests go, responses come.</summary>
/// <remarks>What the back end wrote is not believed: responses beyond those that are still owed are not there.</remarks>
/// <param name="page">The page, filled with zeros.</param>
/// <param name="entryBytes">Bytes in each entry.</param>
public sealed class FrontRing(MemoryBuffer page, int entryBytes)
{
    private uint _requests;
    private uint _pushed;
    private uint _responses;

    /// <summary>How many requests there is room for.</summary>
    public uint Free => SharedRing.CountOf(entryBytes) - (_requests - _responses);

    /// <summary>Makes a request; the back end sees it after <see cref="Push"/>.</summary>
    /// <exception cref="InvalidOperationException">There is no room for it.</exception>
    public void Add(ReadOnlySpan<byte> request)
    {
        if (Free == 0)
            throw new InvalidOperationException("The ring is full.");
        page.Write(SharedRing.OffsetOf(_requests++, entryBytes), request);
    }

    /// <summary>Shows the back end all requests that were made.</summary>
    /// <returns>Whether it sleeps and has to be woken.</returns>
    public bool Push()
    {
        uint before = _pushed;
        _pushed = _requests;
        page.Write32(SharedRing.RequestProducer, _pushed);
        return SharedRing.Wakes(page.Read32(SharedRing.RequestEvent), before, _pushed);
    }

    /// <summary>Takes a response.</summary>
    /// <returns><c>false</c> where none is there.</returns>
    public bool TryTake(Span<byte> response)
    {
        if (page.Read32(SharedRing.ResponseProducer) == _responses || _responses == _pushed)
            return false;
        page.Read(SharedRing.OffsetOf(_responses++, entryBytes), response);
        return true;
    }

    /// <summary>Asks to be woken by the next response.</summary>
    /// <returns><c>false</c> where one came meanwhile.</returns>
    public bool Sleep()
    {
        page.Write32(SharedRing.ResponseEvent, _responses + 1);
        return page.Read32(SharedRing.ResponseProducer) == _responses || _responses == _pushed;
    }
}
