using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what happens to the window of a monitor, and what its guest does meanwhile.</summary>
internal sealed class MonitorTimeline : IDisposable
{
    private readonly MonitorMachine _machine;
    private readonly Timeline _timeline;
    private readonly TimelineTrack _reads;
    private readonly TimelineTrack _window;
    private readonly TimelineTrack _calls;

    /// <summary>Begins.</summary>
    /// <param name="machine">What is watched; the work begins now.</param>
    /// <param name="stream">Where to.</param>
    public MonitorTimeline(MonitorMachine machine, Stream stream)
    {
        (_machine, _timeline) = (machine, new(stream));
        _reads = _timeline.Track("VMs", "reads of the driver in VM 1");
        _window = _timeline.Track("Service OS", "window");
        _calls = _timeline.Track("Service OS", "monitor");
        machine.Monitor.Watcher = happened =>
        {
            _timeline.Instant(_window, happened.Kind.ToString(), Now, ("page", happened.Page.ToString()));
            _timeline.Counter(_window, "pages present", Now, machine.Monitor.PagesPresent);
        };
        machine.Monitor.Processor.Charging = (cost, _) => Called(cost);
        machine.Machine.Cpu.Processor.Charging = (cost, _) => Called(cost);
    }

    private ulong Now => _machine.Host.Loop.NowNs;

    /// <summary>The driver has read something.</summary>
    /// <param name="startNs">Since when.</param>
    public void Read(ulong startNs) => _timeline.Slice(_reads, "read 4 KiB", startNs, Now - startNs);

    /// <inheritdoc/>
    public void Dispose()
    {
        _machine.Monitor.Watcher = null;
        _machine.Monitor.Processor.Charging = null;
        _machine.Machine.Cpu.Processor.Charging = null;
        _timeline.Dispose();
    }

    private void Called(Cost cost)
    {
        if (cost is Cost.Upcall or Cost.SystemCall)
            _timeline.Instant(_calls, cost == Cost.Upcall ? "upcall" : "system call", Now);
    }
}
