using System.Globalization;

namespace Dma.Vmm;

/// <summary>Draws reservations into a timeline: for how long each request is held, what each dummy is told and answers, and what is promised in all.</summary>
/// <param name="timeline">The timeline.</param>
/// <param name="names">What the VMs are called, by register set.</param>
public sealed class ReservationTimeline(Timeline timeline, IReadOnlyList<string> names) : IReservationObserver
{
    private readonly TimelineTrack _requests = timeline.Track("VMM", "requests held");
    private readonly TimelineTrack _promised = timeline.Track("VMM", "promised");
    private readonly TimelineTrack[] _dummies = [.. names.Select(name => timeline.Track("VMM", $"dummies in {name}"))];
    private readonly Dictionary<int, ulong> _askedNs = [];
    private readonly Dictionary<int, uint> _needs = [];

    /// <summary>Who sees the same; may be null.</summary>
    public IReservationObserver? Next { get; init; }

    /// <inheritdoc/>
    public void Happened(in ReservationEvent step)
    {
        Next?.Happened(step);
        string what = Describe(step, names);
        switch (step.Kind)
        {
            case ReservationEventKind.Asked:
                _askedNs[step.Owner] = step.NowNs;
                break;
            case ReservationEventKind.Granted or ReservationEventKind.Refused:
                _ = _askedNs.Remove(step.Owner, out ulong sinceNs);
                timeline.Slice(_requests, what, sinceNs, step.NowNs - sinceNs);
                break;
            case ReservationEventKind.Done or ReservationEventKind.Gone:
                _needs[step.Port] = step.NeedNs;
                timeline.Counter(_promised, "µs of each microframe", step.NowNs, _needs.Values.Sum(static need => need / 1000.0));
                break;
            case ReservationEventKind.Dropped:
                break;
            default:
                timeline.Instant(_dummies[step.Other], what, step.NowNs);
                break;
        }
    }

    /// <summary>A step in a few words.</summary>
    /// <param name="step">The step.</param>
    /// <param name="names">What the VMs are called, by register set.</param>
    public static string Describe(in ReservationEvent step, IReadOnlyList<string> names)
    {
        string need = string.Create(CultureInfo.InvariantCulture, $"{step.NeedNs / 1000.0:F1} us");
        return step.Kind switch
        {
            ReservationEventKind.Asked => $"asks for {need}: held",
            ReservationEventKind.Notified => $"reserve {need} for {names[step.Owner]}",
            ReservationEventKind.Mirrored => "reserved",
            ReservationEventKind.Rejected => "no time",
            ReservationEventKind.Silent => "no answer",
            ReservationEventKind.Disproved => "no time, which is not believed",
            ReservationEventKind.Granted => $"granted {need}: the request goes out",
            ReservationEventKind.Refused => $"refused {need}: STALL",
            ReservationEventKind.Done => "the device has done it",
            ReservationEventKind.Dropped => "the device has not done it",
            _ => "the device is gone",
        };
    }
}
