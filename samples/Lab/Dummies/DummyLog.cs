using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Writes down the steps of reservations, and picks out those of one request.</summary>
/// <param name="names">What the VMs are called, by register set.</param>
internal sealed class DummyLog(IReadOnlyList<string> names) : IReservationObserver
{
    private const string Vmm = "VMM";

    private readonly List<ReservationEvent> _steps = [];

    /// <inheritdoc/>
    public void Happened(in ReservationEvent step) => _steps.Add(step);

    /// <summary>The steps of the first request for more time that ended in some way, with those that took it back.</summary>
    /// <param name="end">How it ended.</param>
    public IReadOnlyList<DummyMessage> First(ReservationEventKind end)
    {
        for (int last = 0; last < _steps.Count; last++)
        {
            if (_steps[last].Kind != end || _steps[last].NeedNs == 0)
                continue;

            // One request at a time: what stands between is its own, but for what VMs do meanwhile.
            ReservationEvent ending = _steps[last];
            int first = _steps.FindLastIndex(last, step => step.Kind == ReservationEventKind.Asked && step.Owner == ending.Owner);
            int done = _steps.FindIndex(last, step => step.Kind is ReservationEventKind.Done or ReservationEventKind.Dropped && step.Owner == ending.Owner);
            IEnumerable<ReservationEvent> steps = _steps[first..(last + 1)].Where(step => step.Owner == ending.Owner);
            if (end == ReservationEventKind.Granted && done >= 0)
                steps = steps.Append(_steps[done]);
            return [.. steps.Select(step => MessageOf(step, _steps[first].NowNs))];
        }

        return [];
    }

    private DummyMessage MessageOf(in ReservationEvent step, ulong sinceNs)
    {
        (string from, string to) = step.Kind switch
        {
            ReservationEventKind.Asked or ReservationEventKind.Done or ReservationEventKind.Dropped or ReservationEventKind.Gone => (names[step.Owner], Vmm),
            ReservationEventKind.Notified => (Vmm, names[step.Other]),
            ReservationEventKind.Granted or ReservationEventKind.Refused => (Vmm, names[step.Owner]),
            _ => (names[step.Other], Vmm),
        };
        return new(step.NowNs - sinceNs, from, to, ReservationTimeline.Describe(step, names));
    }
}
