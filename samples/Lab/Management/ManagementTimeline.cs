using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what each VM asks of the management core, what the core copies, and how long VMs run.</summary>
internal sealed class ManagementTimeline : IDisposable
{
    private readonly Host _host;
    private readonly ManagementCore _core;
    private readonly Timeline _timeline;
    private readonly Dictionary<(uint, int), TimelineTrack> _slots = [];
    private readonly TimelineTrack _chat;
    private readonly TimelineTrack _copies;
    private readonly TimelineTrack _phases;
    private ulong _copied;

    /// <summary>Begins.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="host">The computer, with all its VMs.</param>
    /// <param name="core">The core, with all of them.</param>
    public ManagementTimeline(Stream stream, Host host, ManagementCore core)
    {
        (_host, _core, _timeline) = (host, core, new(stream));
        _chat = _timeline.Track("VMM", "messages");
        _copies = _timeline.Track("VMM", "copies of the core");
        _phases = _timeline.Track("VMM", "scheduler");
        core.Watcher = Served;
        core.Processor.Charging = (cost, count) =>
        {
            if (cost == Cost.CopiedByte)
                _timeline.Counter(_copies, "bytes copied", host.Loop.NowNs, _copied += count);
        };
    }

    /// <summary>A phase of the scheduler is over.</summary>
    /// <param name="name">What it was about.</param>
    /// <param name="startNs">When it began.</param>
    /// <param name="shares">What each VM had of it.</param>
    public void Phase(string name, ulong startNs, IEnumerable<ShareLine> shares) => _timeline.Slice(
        _phases, name, startNs, _host.Loop.NowNs - startNs, [.. shares.Select(line => (line.Machine, (object)$"{line.RanNs / 1000} us"))]);

    /// <inheritdoc/>
    public void Dispose()
    {
        _core.Watcher = null;
        _core.Processor.Charging = null;
        _timeline.Dispose();
    }

    private void Served(ServedRequest request)
    {
        // A slot has one request at a time, so that what is on its line never overlaps.
        if (!_slots.TryGetValue((request.Number, request.Slot), out TimelineTrack slot))
            _slots.Add((request.Number, request.Slot), slot = _timeline.Track(Name(request.Number), $"slot {request.Slot}"));
        _timeline.Slice(
            slot,
            $"{request.Command}",
            request.TakenNs,
            request.FinishedNs - request.TakenNs,
            ("result", $"{request.Result}"),
            ("bytes", request.Length));

        // A message is where its receiver is told whom it is from.
        if (request is { Command: ManagementCommand.Receive, Result: ManagementResult.Done })
            _timeline.Instant(_chat, $"{Name(request.Source)} to {Name(request.Number)}", request.FinishedNs, ("bytes", request.Length));
    }

    private static string Name(uint number) => number == ManagementCore.HostNumber ? "host" : $"VM {number}";
}
