using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The VMM's dispatcher for loads and stores of a guest that EPT does not map: register windows whose accesses exit.</summary>
/// <remarks>Where nothing answers, loads give all ones and stores are lost, as on a bus.</remarks>
public sealed class TrapWindows
{
    private readonly SortedList<ulong, Window> _windows = [];

    /// <summary>How many windows there are.</summary>
    public int Count => _windows.Count;

    /// <summary>Lets something answer.</summary>
    /// <param name="start">The first byte.</param>
    /// <param name="length">Bytes, at least 1.</param>
    /// <param name="device">Who answers; it gets offsets within the window.</param>
    /// <returns><c>false</c>, and nothing changed, where the range wraps or lies over another window.</returns>
    public bool TryAdd(GuestPhysicalAddress start, ulong length, IMmioDevice device)
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        if (length - 1 > ulong.MaxValue - start.Value)
            return false;
        ulong last = start.Value + length - 1;
        if (_windows.Values.Any(other => start.Value <= other.Last && other.Start <= last))
            return false;
        _windows.Add(start.Value, new(start.Value, last, device));
        return true;
    }

    /// <summary>Takes a window away; nothing happens where none begins there.</summary>
    public void Remove(GuestPhysicalAddress start) => _windows.Remove(start.Value);

    /// <summary>A load of 1, 2, 4 or 8 bytes.</summary>
    public ulong Load(GuestPhysicalAddress address, int width) =>
        Find(address.Value, width) is { } window
            ? window.Device.Read(address.Value - window.Start, width) & RegisterFile.AllOnes(width)
            : RegisterFile.AllOnes(width);

    /// <summary>A store of 1, 2, 4 or 8 bytes.</summary>
    public void Store(GuestPhysicalAddress address, int width, ulong value)
    {
        if (Find(address.Value, width) is { } window)
            window.Device.Write(address.Value - window.Start, width, value & RegisterFile.AllOnes(width));
    }

    // The window that holds all of an access.
    private Window? Find(ulong address, int width)
    {
        foreach (Window window in _windows.Values)
        {
            if (address >= window.Start && address <= window.Last && (ulong)width - 1 <= window.Last - address)
                return window;
        }

        return null;
    }

    private sealed record Window(ulong Start, ulong Last, IMmioDevice Device);
}
