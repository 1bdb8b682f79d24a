using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>The timeline of a host: a line for what each VM does, one for what the VMM does for each, and one for the requests of devices that its bus trace has.</summary>
internal sealed class MachineTimeline : IDisposable
{
    private const int TracedMax = 200_000;

    private readonly Host _host;
    private readonly TimelineTrack[] _vms;
    private readonly List<(Processor Processor, Action<Cost, ulong> Charging)> _charges = [];

    /// <summary>Begins a timeline.</summary>
    /// <param name="output">Where it is written.</param>
    /// <param name="host">The host, with all its VMs.</param>
    public MachineTimeline(Stream output, Host host)
        : this(output, host, [.. host.Machines])
    {
    }

    /// <summary>Begins a timeline of some of the VMs of a host.</summary>
    /// <param name="output">Where it is written.</param>
    /// <param name="host">The host.</param>
    /// <param name="machines">The VMs.</param>
    public MachineTimeline(Stream output, Host host, IReadOnlyList<VirtualMachine> machines)
    {
        (_host, Timeline) = (host, new(output));
        _vms = [.. machines.Select(machine => Timeline.Track("VMs", machine.Name))];
        foreach (VirtualMachine machine in machines)
            Watch(machine.Cpu.Processor, Timeline.Track("VMM", $"exits of {machine.Name}"));
        Watch(host.Cpu.Processor, Timeline.Track("VMM", "host"));
    }

    /// <summary>The timeline, for tracks of other kinds.</summary>
    public Timeline Timeline { get; }

    /// <summary>A bus trace for a host whose timeline is written: what it keeps are the last requests, so that it has those of the work that is shown.</summary>
    /// <param name="output">Where the timeline is written, or null.</param>
    public static BusTrace? TraceFor(Stream? output) => output is null ? null : new(TracedMax, keepsLast: true);

    /// <summary>Notes what a VM did since a time.</summary>
    /// <param name="number">Which VM, in the order in which they were made.</param>
    /// <param name="what">What it did.</param>
    /// <param name="sinceNs">Since when.</param>
    public void Note(int number, string what, ulong sinceNs) => Note(number, what, sinceNs, _host.Loop.NowNs);

    /// <summary>Notes what a VM did from one time to another.</summary>
    /// <param name="number">Which VM, in the order in which they were given.</param>
    /// <param name="what">What it did.</param>
    /// <param name="startNs">Since when.</param>
    /// <param name="endNs">Until when.</param>
    public void Note(int number, string what, ulong startNs, ulong endNs) => Timeline.Slice(_vms[number], what, startNs, endNs - startNs);

    /// <summary>Notes what is charged to a processor from here on, but for its copies and its accesses to registers.</summary>
    /// <param name="processor">The processor.</param>
    /// <param name="track">On which line.</param>
    public void Watch(Processor processor, TimelineTrack track)
    {
        void Charged(Cost cost, ulong times)
        {
            if (cost is not (Cost.Copy or Cost.CopiedByte or Cost.RegisterAccess))
                Timeline.Instant(track, CostNames.Of(cost), processor.NowNs);
        }

        processor.Charging += Charged;
        _charges.Add((processor, Charged));
    }

    /// <summary>Writes the rest.</summary>
    public void Dispose()
    {
        foreach ((Processor processor, Action<Cost, ulong> charging) in _charges)
            processor.Charging -= charging;
        if (_host.Options.Trace is { } bus)
            Timeline.Add(Timeline.Track("IOMMU", "requests of devices"), bus);
        Timeline.Dispose();
    }
}
