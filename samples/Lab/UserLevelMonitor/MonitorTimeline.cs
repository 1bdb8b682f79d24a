using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Draws into the timeline of a host what happens to the window of a monitor, and what its guest does meanwhile.</summary>
internal sealed class MonitorTimeline : IDisposable
{
    private readonly MonitorMachine _machine;
    private readonly MachineTimeline _timeline;

    /// <summary>Begins.</summary>
    /// <param name="machine">What is watched; the work begins now.</param>
    /// <param name="timeline">Its timeline.</param>
    public MonitorTimeline(MonitorMachine machine, MachineTimeline timeline)
    {
        (_machine, _timeline) = (machine, timeline);
        TimelineTrack window = timeline.Timeline.Track("service OS", "window");
        machine.Monitor.Watcher = happened =>
        {
            ulong nowNs = machine.Host.Loop.NowNs;
            timeline.Timeline.Instant(window, happened.Kind.ToString(), nowNs, ("page", happened.Page.ToString()));
            timeline.Timeline.Counter(window, "pages present", nowNs, machine.Monitor.PagesPresent);
        };
        timeline.Watch(machine.Monitor.Processor, timeline.Timeline.Track("service OS", "monitor"));
    }

    /// <summary>The driver has read something.</summary>
    /// <param name="startNs">Since when.</param>
    public void Read(ulong startNs) => _timeline.Note(0, "read 4 KiB", startNs);

    /// <inheritdoc/>
    public void Dispose() => _machine.Monitor.Watcher = null;
}
