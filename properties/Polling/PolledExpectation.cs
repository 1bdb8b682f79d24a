using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The stores of one guest that its device has to get, and when: within a period, or the bounded work of turns before (H1); the last value always (H2); through a ring each, in order (H3).</summary>
/// <param name="access">How its registers are polled.</param>
/// <param name="limitNs">How long a store may take that has so many before it, in nanoseconds.</param>
internal sealed class PolledExpectation(PolledAccess access, Func<int, ulong> limitNs)
{
    private readonly Queue<(int Offset, uint Value, ulong LimitNs)> _ring = new();
    private readonly Dictionary<int, (uint Value, ulong LimitNs)> _cells = [];
    private readonly Dictionary<int, ulong> _seen = [];

    /// <summary>Stores that were not seen yet.</summary>
    public int Waiting => _ring.Count + _cells.Count;

    /// <summary>Stores that arrived.</summary>
    public int Arrived { get; private set; }

    /// <summary>What did not hold.</summary>
    public List<string> Wrongs { get; } = [];

    /// <summary>The guest has stored.</summary>
    public void Stored(int offset, uint value, ulong nowNs)
    {
        if (access == PolledAccess.WriteRing)
        {
            _ring.Enqueue((offset, value, nowNs + limitNs(_ring.Count)));
            return;
        }

        // Memory that is as it was shows nothing.
        if (_seen.GetValueOrDefault(offset) == value)
            _ = _cells.Remove(offset);
        else
            _cells[offset] = (value, _cells.TryGetValue(offset, out (uint Value, ulong LimitNs) first) ? first.LimitNs : nowNs + limitNs(ClassDevice.Map().Cells.Count));
    }

    /// <summary>The device got a write.</summary>
    public void Applied(PolledWrite write)
    {
        (uint value, ulong lastNs) = (0, 0);
        bool isDue = false;
        if (access != PolledAccess.WriteRing)
        {
            isDue = _cells.Remove(write.Offset, out (uint Value, ulong LimitNs) cell);
            (value, lastNs) = cell;
            _seen[write.Offset] = write.Offset == ClassDevice.Doorbell ? 0 : write.Value;
        }
        else if (_ring.TryDequeue(out (int Offset, uint Value, ulong LimitNs) entry))
        {
            isDue = entry.Offset == write.Offset;
            (value, lastNs) = (entry.Value, entry.LimitNs);
        }

        Arrived++;
        if (!isDue || value != write.Value)
            Wrongs.Add($"{write} is not the store of {value:X}h that came next.");
        if (write.NowNs > lastNs)
            Wrongs.Add($"{write} should have come at {lastNs} ns.");
    }

    /// <summary>Nothing that was stored before is seen any more, and registers have their first values.</summary>
    public void Forget()
    {
        _ring.Clear();
        _cells.Clear();
        _seen.Clear();
    }
}
