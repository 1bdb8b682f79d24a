namespace Dma.Machine;

/// <content>Memory that is elsewhere, and is asked only where nothing that is here answers.</content>
public sealed unsafe partial class PhysicalMemory
{
    private RemoteExtent[] _remotes = [];

    /// <summary>Backs a range with memory that is elsewhere.</summary>
    /// <remarks>
    /// Reads and writes reach it, each within the range as a whole, and atomic exchanges where it has them; everything else
    /// finds nothing there: it does not count as backed and cannot be cleared. Tables in it are walked slowly.
    /// </remarks>
    /// <param name="start">The first byte in memory.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="memory">Who has it.</param>
    /// <exception cref="ArgumentException">Not whole pages, beyond 2^52, or over another extent.</exception>
    public void AddRemote(PhysicalAddress start, ulong length, IRemoteMemory memory)
    {
        CheckFree(start, length);
        _remotes = [.. _remotes, new(start.Value, length, memory)];
    }

    private bool RemoveRemote(PhysicalAddress start)
    {
        int before = _remotes.Length;
        _remotes = [.. _remotes.Where(other => other.Start != start.Value)];
        return _remotes.Length != before;
    }

    private bool ReadRemote(PhysicalAddress address, Span<byte> destination) =>
        TryFindRemote(address.Value, destination.Length, out RemoteExtent remote)
        && (destination.IsEmpty || remote.Memory.TryRead(address.Value - remote.Start, destination));

    private bool WriteRemote(PhysicalAddress address, ReadOnlySpan<byte> source) =>
        TryFindRemote(address.Value, source.Length, out RemoteExtent remote)
        && (source.IsEmpty || remote.Memory.TryWrite(address.Value - remote.Start, source));

    private bool ExchangeRemote(PhysicalAddress address, ulong expected, ulong replacement, out ulong found)
    {
        found = 0;
        return (address.Value & 7) == 0
            && TryFindRemote(address.Value, sizeof(ulong), out RemoteExtent remote)
            && remote.Memory.TryCompareExchange(address.Value - remote.Start, expected, replacement, out found);
    }

    private bool TryFindRemote(ulong address, int length, out RemoteExtent remote)
    {
        foreach (RemoteExtent other in _remotes)
        {
            ulong offset = address - other.Start;
            remote = other;
            if (offset < other.Length && (ulong)length <= other.Length - offset)
                return true;
        }

        remote = default;
        return false;
    }

    private readonly record struct RemoteExtent(ulong Start, ulong Length, IRemoteMemory Memory);
}
