using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what VMs read, what happens to the windows on them, and what wakes their processes.</summary>
internal sealed class ModelledTimeline : IDisposable
{
    private readonly ServiceMachine _machine;
    private readonly MachineTimeline _timeline;

    /// <summary>Begins.</summary>
    /// <param name="output">Where it is written.</param>
    /// <param name="machine">The computer, with its service VM.</param>
    public ModelledTimeline(Stream output, ServiceMachine machine)
    {
        (_machine, _timeline) = (machine, machine.StartTimeline(output)!);
        foreach (UserLevelMonitor monitor in machine.Monitors)
        {
            TimelineTrack window = _timeline.Timeline.Track("service VM", $"window on {monitor.Machine.Name}");
            monitor.Watcher = happened =>
            {
                _timeline.Timeline.Instant(window, happened.Kind.ToString(), Now, ("page", happened.Page.ToString()));
                _timeline.Timeline.Counter(window, $"pages of {monitor.Machine.Name}", Now, monitor.PagesPresent);
            };
        }
    }

    private ulong Now => _machine.Host.Loop.NowNs;

    /// <summary>A VM has read.</summary>
    /// <param name="number">Which VM.</param>
    /// <param name="startNs">Since when.</param>
    public void Read(int number, ulong startNs) => _timeline.Note(number, "read", startNs);

    /// <inheritdoc/>
    public void Dispose() => _timeline.Dispose();
}
