using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>The transfers that drivers of devices made: from the moment at which a driver asked to the moment at which it had the answer.</summary>
internal sealed class TransferLog
{
    private readonly List<(ulong StartNs, ulong EndNs, int Bytes)> _transfers = [];

    /// <summary>How many were completed.</summary>
    public int Count => _transfers.Count;

    /// <summary>Data bytes of all together.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>Each: when it began and ended, and how many bytes it moved.</summary>
    public IReadOnlyList<(ulong StartNs, ulong EndNs, int Bytes)> All => _transfers;

    /// <summary>The mean latency, in microframes; 0 where none was completed.</summary>
    public double MeanMicroframes => _transfers.Count == 0 ? 0 : _transfers.Average(transfer => (double)(transfer.EndNs - transfer.StartNs) / WireTime.MicroframeNs);

    /// <summary>The longest latency, in microframes.</summary>
    public double MaxMicroframes => _transfers.Count == 0 ? 0 : _transfers.Max(transfer => (double)(transfer.EndNs - transfer.StartNs) / WireTime.MicroframeNs);

    /// <summary>How many were begun and have not ended.</summary>
    public int UnderWay { get; private set; }

    /// <summary>Told when a transfer begins, and how many bytes it is about, and when it is completed; null for nobody.</summary>
    public Action<string, int>? Watcher { get; set; }

    /// <summary>A transfer begins.</summary>
    public void Begin(int bytes)
    {
        UnderWay++;
        Watcher?.Invoke("driver asks", bytes);
    }

    /// <summary>A transfer ended.</summary>
    /// <param name="startNs">When it began.</param>
    /// <param name="endNs">The time.</param>
    /// <param name="bytes">How many bytes it moved; null where it was not completed.</param>
    public void End(ulong startNs, ulong endNs, int? bytes)
    {
        UnderWay--;
        if (bytes is not { } moved)
            return;
        Watcher?.Invoke("driver has the answer", moved);
        Add(startNs, endNs, moved);
    }

    /// <summary>Counts something that took its time like a transfer.</summary>
    public void Add(ulong startNs, ulong endNs, int bytes)
    {
        _transfers.Add((startNs, endNs, bytes));
        Bytes += (ulong)bytes;
    }

    /// <summary>Forgets those that were completed.</summary>
    public void Clear()
    {
        _transfers.Clear();
        Bytes = 0;
    }
}
