using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down what each VM asks of its management device, what the core copies, and how long VMs run. There is no bus, and no unit that translates: the device is a model, which reaches the memory of its VM alone.</summary>
internal sealed class ManagementTimeline : IDisposable
{
    private readonly Host _host;
    private readonly ManagementCore _core;
    private readonly MachineTimeline _machines;
    private readonly Timeline _timeline;
    private readonly Dictionary<uint, List<TimelineTrack>> _slots = [];
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
        (_host, _core, _machines) = (host, core, new(stream, host));
        _timeline = _machines.Timeline;
        _chat = _timeline.Track("VMM", "messages");
        _copies = _timeline.Track("VMM", "copies of the core");
        _phases = _timeline.Track("VMM", "scheduler");
        core.Watcher = Served;
        core.Processor.Charging += Copied;
    }

    /// <summary>A phase of the scheduler is over.</summary>
    /// <param name="name">What it was about.</param>
    /// <param name="startNs">When it began.</param>
    /// <param name="shares">What each VM had of it.</param>
    public void Phase(string name, ulong startNs, IReadOnlyList<ShareLine> shares)
    {
        _timeline.Slice(_phases, name, startNs, _host.Loop.NowNs - startNs, [.. shares.Select(line => (line.Machine, (object)$"{line.RanNs / 1000} us"))]);
        for (int number = 0; number < shares.Count; number++)
            _machines.Note(number, $"ran for {shares[number].RanNs / 1000} us of the phase", startNs);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _core.Watcher = null;
        _core.Processor.Charging -= Copied;
        _machines.Dispose();
    }

    private void Copied(Cost cost, ulong count)
    {
        if (cost == Cost.CopiedByte)
            _timeline.Counter(_copies, "bytes copied", _host.Loop.NowNs, _copied += count);
    }

    private void Served(ServedRequest request)
    {
        _timeline.Slice(
            SlotOf(request),
            $"{request.Command}",
            request.TakenNs,
            request.FinishedNs - request.TakenNs,
            ("result", $"{request.Result}"),
            ("bytes", request.Length));

        // A message is where its receiver is told whom it is from.
        if (request is { Command: ManagementCommand.Receive, Result: ManagementResult.Done })
            _timeline.Instant(_chat, $"{Name(request.Source)} to {Name(request.Number)}", request.FinishedNs, ("bytes", request.Length));
    }

    // A slot has one request at a time, so that what is on its line never overlaps. Lines come in the order of slots.
    private TimelineTrack SlotOf(in ServedRequest request)
    {
        if (!_slots.TryGetValue(request.Number, out List<TimelineTrack>? lines))
            _slots.Add(request.Number, lines = []);
        while (lines.Count <= request.Slot)
            lines.Add(_timeline.Track($"management device of {Name(request.Number)}", $"slot {lines.Count}"));
        return lines[request.Slot];
    }

    private static string Name(uint number) => number == ManagementCore.HostNumber ? "host" : $"VM {number}";
}
