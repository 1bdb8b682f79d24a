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
    private readonly Dictionary<SourceId, (ulong SinceNs, ulong Faults)> _windows = [];

    internal FaultMonitor(Host host) => _host = host;

    /// <summary>The faults, oldest first.</summary>
    public IReadOnlyCollection<LoggedFault> Log => _log;

    /// <summary>How many faults were read from the unit.</summary>
    public ulong Total { get; private set; }

    /// <summary>How often a device was to be put in quarantine, since it did nothing but fault or did not answer.</summary>
    public ulong Quarantines { get; private set; }

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
            Assignment[] devices = [.. _host.AssignedUnder(fault.Source)];
            VirtualMachine? machine = devices.FirstOrDefault()?.Machine;
            _log.Enqueue(new(_host.Loop.NowNs, fault, machine?.Name));
            machine?.Iommu?.Report(fault);
            _counts[fault.Source] = CountOf(fault.Source) + 1;
            Total++;
            if (devices.Length != 0 && IsStorm(fault.Source))
                Quarantine(devices);
        }

        // Who did not answer an invalidation has nothing any more, and shall not be left half assigned.
        foreach (SourceId silent in _host.Remapping.Quarantined.ToArray())
            Quarantine([.. _host.AssignedUnder(silent)]);
    }

    private bool IsStorm(SourceId source)
    {
        if (_host.Options.FaultStorm is not { } storm)
            return false;
        (ulong sinceNs, ulong faults) = _windows.GetValueOrDefault(source);
        if (faults == 0 || _host.Loop.NowNs - sinceNs >= storm.WindowNs)
            (sinceNs, faults) = (_host.Loop.NowNs, 0);
        faults++;
        bool isStorm = faults > storm.FaultsMax;
        _windows[source] = (sinceNs, isStorm ? 0 : faults);
        return isStorm;
    }

    // It takes time, in which the next faults are read.
    private void Quarantine(Assignment[] devices)
    {
        foreach (Assignment device in devices)
        {
            Quarantines++;
            _host.Loop.Start(async () => _ = await device.Quarantine());
        }
    }
}
