using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The host's fault handler: woken by the remapping unit, it empties the fault records into a log of bounded length.</summary>
/// <remarks>
/// Between two rounds it rests, so that a device that does nothing but fault costs the host a bounded share of its time;
/// what the unit cannot record meanwhile is lost and counted there.
/// </remarks>
public sealed class FaultMonitor
{
    /// <summary>How many faults the log keeps; older ones make room.</summary>
    public const int Capacity = 4096;

    private const ulong RestNs = 10_000;

    private readonly Host _host;
    private readonly Queue<LoggedFault> _log = new();
    private readonly Dictionary<SourceId, ulong> _counts = [];

    internal FaultMonitor(Host host) => _host = host;

    /// <summary>The faults, oldest first.</summary>
    public IReadOnlyCollection<LoggedFault> Log => _log;

    /// <summary>How many faults were read from the unit.</summary>
    public ulong Total { get; private set; }

    /// <summary>How many of them a requester caused.</summary>
    public ulong CountOf(SourceId source) => _counts.GetValueOrDefault(source);

    /// <summary>Waits for fault events for as long as the host runs.</summary>
    internal async void Run()
    {
        while (await _host.Remapping.WaitForFault())
        {
            Drain();
            await _host.Cpu.Processor.Delay(RestNs);
        }
    }

    private void Drain()
    {
        foreach (FaultReport fault in _host.Remapping.DrainFaults())
        {
            if (_log.Count == Capacity)
                _ = _log.Dequeue();
            _log.Enqueue(new(_host.Loop.NowNs, fault, _host.MachineOf(fault.Source)?.Name));
            _host.MachineOf(fault.Source)?.Iommu?.Report(fault);
            _counts[fault.Source] = CountOf(fault.Source) + 1;
            Total++;
        }
    }
}
