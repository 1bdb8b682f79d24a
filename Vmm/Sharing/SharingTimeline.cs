using System.Globalization;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Draws how a controller is shared into a timeline: the bus by register set, tokens with both addresses, and who has address 0.</summary>
public sealed class SharingTimeline : IBusShareObserver
{
    private readonly Timeline _timeline;
    private readonly EventLoop _loop;
    private readonly TimelineTrack[] _bus;
    private readonly TimelineTrack[] _tokens;
    private readonly TimelineTrack _zero;
    private readonly TimelineTrack _table;
    private (int Owner, ulong SinceNs) _zeroOwner = (-1, 0);

    /// <summary>Adds its lines to a timeline.</summary>
    /// <param name="timeline">The timeline.</param>
    /// <param name="loop">The time.</param>
    /// <param name="names">What the register sets are called, by number.</param>
    public SharingTimeline(Timeline timeline, EventLoop loop, IReadOnlyList<string> names)
    {
        (_timeline, _loop) = (timeline, loop);
        _bus = [.. names.Select(name => timeline.Track("bus", name))];
        _tokens = [.. names.Select(name => timeline.Track("controller", $"tokens of {name}"))];
        _zero = timeline.Track("controller", "address 0");
        _table = timeline.Track("controller", "addresses");
    }

    /// <summary>Ends what is still going on.</summary>
    public void End() => AddressZeroMoved(-1, _loop.NowNs);

    /// <inheritdoc/>
    public void BusUsed(in BusUse use) => _timeline.Slice(_bus[use.Set], use.IsPeriodic ? "periodic" : "asynchronous", use.StartNs, use.WireNs);

    /// <inheritdoc/>
    public void TokenHandled(in TokenUse use) => _timeline.Instant(
        _tokens[use.Set],
        Describe(use),
        _loop.NowNs,
        ("answer", use.Answer == UsbPid.None ? "none" : use.Answer.ToString()));

    /// <inheritdoc/>
    public void AddressChanged(in AddressChange change) => _timeline.Instant(
        _table,
        $"bus {change.Real} {change.Entry.State}",
        _loop.NowNs,
        ("set", change.Entry.Set),
        ("virtual", (int)change.Entry.Virtual));

    /// <inheritdoc/>
    public void AddressZeroMoved(int owner, ulong nowNs)
    {
        if (_zeroOwner.Owner >= 0)
            _timeline.Slice(_zero, $"set {_zeroOwner.Owner}", _zeroOwner.SinceNs, nowNs - _zeroOwner.SinceNs);
        _zeroOwner = (owner, nowNs);
    }

    /// <summary>A token in one line: whose, which address its driver gave, and which one went out.</summary>
    public static string Describe(in TokenUse use)
    {
        string sent = use.Sent is { } token ? $"bus {token.Address}" : "not sent";
        string hub = !use.Asked.IsSplit ? ""
            : string.Create(CultureInfo.InvariantCulture, $" by hub {use.Asked.Split.HubAddress} -> {(use.Sent is { } split ? split.Split.HubAddress : 0)}");
        return string.Create(CultureInfo.InvariantCulture, $"address {use.Asked.Address} -> {sent}{hub}, endpoint {use.Asked.Endpoint} {use.Asked.Pid}");
    }
}
