using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The timeline of a host: a track for what each VM does, and one for the requests of devices that its bus trace has.</summary>
internal sealed class MachineTimeline : IDisposable
{
    private readonly Host _host;
    private readonly TimelineTrack[] _vms;

    /// <summary>Begins a timeline.</summary>
    /// <param name="output">Where it is written.</param>
    /// <param name="host">The host, with all its VMs.</param>
    public MachineTimeline(Stream output, Host host)
    {
        (_host, Timeline) = (host, new(output));
        _vms = [.. host.Machines.Select(machine => Timeline.Track("VMs", machine.Name))];
    }

    /// <summary>How many requests of devices a trace for a timeline keeps.</summary>
    public static int TracedMax => 50_000;

    /// <summary>The timeline, for tracks of other kinds.</summary>
    public Timeline Timeline { get; }

    /// <summary>Notes what a VM did since a time.</summary>
    /// <param name="number">Which VM, in the order in which they were made.</param>
    /// <param name="what">What it did.</param>
    /// <param name="sinceNs">Since when.</param>
    public void Note(int number, string what, ulong sinceNs) => Timeline.Slice(_vms[number], what, sinceNs, _host.Loop.NowNs - sinceNs);

    /// <summary>Writes the rest.</summary>
    public void Dispose()
    {
        if (_host.Options.Trace is { } bus)
            Timeline.Add(Timeline.Track("IOMMU", "requests of devices"), bus);
        Timeline.Dispose();
    }
}
