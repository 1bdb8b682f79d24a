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

    /// <summary>Told when a transfer begins, and how many bytes it is about, and when it is completed; null for nobody.</summary>
    public Action<string, int>? Watcher { get; set; }

    /// <summary>A transfer begins.</summary>
    public void Begin(int bytes) => Watcher?.Invoke("driver asks", bytes);

    /// <summary>A transfer was completed.</summary>
    public void Add(ulong startNs, ulong endNs, int bytes)
    {
        Watcher?.Invoke("driver has the answer", bytes);
        _transfers.Add((startNs, endNs, bytes));
        Bytes += (ulong)bytes;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        _transfers.Clear();
        Bytes = 0;
    }
}
