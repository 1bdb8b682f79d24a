using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A transaction translator: takes start-splits, talks to the full-speed bus below, and keeps the results for complete-splits (USB 2.0, transaction translator).</summary>
/// <remarks>
/// The bus below runs one microframe behind the one above:
/// <code>
/// above   | start-split |             | complete   | complete    |
/// below   |             | transaction, as long as it takes       |
/// </code>
/// What was started in a microframe goes out from the next one on, in order; what came until the end of a microframe can
/// be fetched in the next. Control and bulk go out where periodic transactions leave time.
/// </remarks>
internal sealed class TransactionTranslator
{
    // Low-speed packets hold 8 bytes, full-speed ones 64, isochronous ones 1023.
    private const int LowSpeedBytesMax = 8;
    private const int FullSpeedBytesMax = 64;

    // A full-speed device that does not answer is asked three times before the host is told.
    private const int AttemptsMax = 3;
    private const ulong FullSpeedBitPs = 83_333;

    private readonly EventLoop _loop;
    private readonly PeriodicPipeline _periodic;
    private readonly NonPeriodicBuffers _nonPeriodic;
    private readonly ScheduledEvent _pump;
    private readonly ulong _thinkNs;
    private readonly byte[] _packet = new byte[UsbBus.PacketMax + 8];
    private SplitEntry? _running;
    private ulong _freeNs;
    private ulong _plannedNs;
    private bool _isStopped;

    /// <summary>A translator with nothing in it.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="bus">The bus below.</param>
    /// <param name="options">How the hub is built.</param>
    public TransactionTranslator(EventLoop loop, UsbBus bus, UsbHubOptions options)
    {
        (_loop, Bus) = (loop, bus);
        _periodic = new();
        _nonPeriodic = new(options.NonPeriodicBuffers);
        _pump = new(Pump);
        _thinkNs = (ulong)(options.ThinkTime + 1) * 8 * FullSpeedBitPs / 1000;
    }

    /// <summary>The bus below.</summary>
    public UsbBus Bus { get; }

    /// <summary>RESET_TT: everything is forgotten, and work goes on.</summary>
    public void Reset()
    {
        _pump.Cancel();
        _periodic.Clear();
        _nonPeriodic.Clear();
        (_running, _freeNs, _isStopped) = (null, 0, false);
    }

    /// <summary>STOP_TT: nothing more goes out until a reset.</summary>
    public void Stop() => _isStopped = true;

    /// <summary>GET_TT_STATE: for each control or bulk buffer its state, endpoint and device, then how many periodic transactions there are.</summary>
    public byte[] State() => [(byte)(_isStopped ? 1 : 0), .. _nonPeriodic.Describe(), (byte)_periodic.Count];

    /// <summary>CLEAR_TT_BUFFER: what the endpoint has in a buffer is forgotten; a packet on the wire is not called back.</summary>
    public void Clear(TtBufferSelector selector)
    {
        SplitEntry? cleared = _nonPeriodic.Clear(selector);
        if (cleared is not null && cleared == _running)
            (_running, _freeNs) = (null, cleared.EndNs);
        Plan();
    }

    /// <inheritdoc cref="ITransactionTranslator.StartSplit"/>
    public UsbReply StartSplit(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        bool isPeriodic = token.Split.EndpointType is TransferType.Interrupt or TransferType.Isochronous;
        ulong now = _loop.NowNs;
        UsbReply reply = isPeriodic
            ? _periodic.Start(token, dataPid, data, Bus.Frames, now)
            : _nonPeriodic.Start(token, dataPid, data, now);
        Plan();
        return reply;
    }

    /// <inheritdoc cref="ITransactionTranslator.CompleteSplit"/>
    public UsbReply CompleteSplit(in UsbToken token, Span<byte> packet)
    {
        bool isPeriodic = token.Split.EndpointType is TransferType.Interrupt or TransferType.Isochronous;
        return isPeriodic
            ? _periodic.Complete(token, packet, Bus.Frames, _loop.NowNs)
            : _nonPeriodic.Complete(token, packet, _loop.NowNs);
    }

    /// <summary>How long an entry occupies the bus below.</summary>
    /// <param name="entry">The transaction.</param>
    /// <param name="bytes">Bytes of data that crossed the wire.</param>
    internal static ulong WireNs(SplitEntry entry, int bytes) => entry switch
    {
        { Type: TransferType.Isochronous } => WireTime.FullSpeedIsochronous(bytes, entry.IsIn),
        { IsLowSpeed: true } => WireTime.LowSpeed(bytes, entry.IsIn),
        _ => WireTime.FullSpeed(bytes),
    };

    // Ends what is over, begins what may begin, and wakes up again when the next thing may happen.
    private void Pump()
    {
        ulong now = _loop.NowNs;
        if (_running is { } running && !IsOver(running, now))
        {
            Plan();
            return;
        }

        Finish();
        if (!_isStopped && now >= _freeNs && Next(now) is { } next)
            Begin(next, now);
        Plan();
    }

    private static bool IsOver(SplitEntry running, ulong now) =>
        running.NextPartByNs != 0 ? now >= running.NextPartByNs : now >= running.EndNs;

    private void Finish()
    {
        if (_running is not { } entry)
            return;
        _running = null;
        if (entry is { Type: TransferType.Isochronous, IsIn: false })
        {
            // A payload whose next part did not come is broken off, and the device drops it.
            if (entry.NextPartByNs == 0 && Hears(entry))
                _ = Bus.Out(entry.Token, entry.DataPid, entry.Data);
            entry.Phase = SplitEntry.State.Free;
        }
        else if (entry.Reply.Pid == UsbPid.None && _nonPeriodic.Holds(entry))
        {
            if (entry.Attempts < AttemptsMax)
                (entry.Phase, entry.EligibleNs) = (SplitEntry.State.Waiting, entry.EndNs);
            else
                entry.Reply = UsbReply.Stall;
        }
    }

    // Periodic transactions first; none is begun that could run past the end of the frame.
    private SplitEntry? Next(ulong now)
    {
        ulong left = FrameEnd(now) - now;
        while (_periodic.NextToGo(now) is { } entry)
        {
            if (WireNs(entry, entry.IsIn ? 0 : entry.Length) <= left)
                return entry;
            entry.Phase = SplitEntry.State.Free;
        }

        return _nonPeriodic.NextToGo(now) is { } other && WorstNs(other) <= left ? other : null;
    }

    private static ulong WorstNs(SplitEntry entry) =>
        WireNs(entry, entry.IsIn ? BytesMax(entry) : entry.Length) + WireTime.LowSpeedUnanswered(0, isIn: true) - WireTime.LowSpeed(0, isIn: true);

    private void Begin(SplitEntry entry, ulong now)
    {
        (entry.Phase, entry.StartNs) = (SplitEntry.State.Started, now);
        entry.Attempts++;
        _running = entry;
        if (entry is { Type: TransferType.Isochronous, IsIn: false })
        {
            entry.EndNs = now + WireNs(entry, entry.Length) + _thinkNs;
            return;
        }

        entry.Reply = Transact(entry);
        ulong wire = entry.Reply.Pid == UsbPid.None ? UnansweredNs(entry) : WireNs(entry, entry.IsIn ? entry.Reply.Length : entry.Length);
        entry.EndNs = now + wire + _thinkNs;
        bool babbles = now + wire > FrameEnd(now);
        if (babbles)
            Bus.PortOf(entry.Token.Address)?.ReportBabble();

        // The host hears of a periodic device that is silent or makes no sense by ERR.
        if (babbles || (entry.Reply.Pid == UsbPid.None && !_nonPeriodic.Holds(entry)))
            entry.Reply = UsbReply.Error;
    }

    private UsbReply Transact(SplitEntry entry)
    {
        if (!Hears(entry))
            return UsbReply.Silence;
        if (!entry.IsIn)
            return Bus.Out(entry.Token, entry.DataPid, entry.Data);
        UsbReply reply = Bus.In(entry.Token, _packet);
        if (!reply.IsData)
            return reply;

        // More than the speed allows is no packet at all. The translator acknowledges for the host.
        bool isWell = reply.Length <= BytesMax(entry);
        ReadOnlySpan<byte> data = _packet.AsSpan(0, Math.Min(reply.Length, _packet.Length));
        Bus.EndIn(entry.Token, reply, data, acknowledged: isWell && entry.Type != TransferType.Isochronous);
        return isWell && entry.TryAppend(data) ? reply : UsbReply.Silence;
    }

    // A device hears only what is sent at its speed.
    private bool Hears(SplitEntry entry) =>
        Bus.PortOf(entry.Token.Address) is { } port && (port.Speed == UsbSpeed.Low) == entry.IsLowSpeed;

    private static int BytesMax(SplitEntry entry) => entry switch
    {
        { Type: TransferType.Isochronous } => PeriodicPipeline.BytesMax,
        { IsLowSpeed: true } => LowSpeedBytesMax,
        _ => FullSpeedBytesMax,
    };

    private static ulong UnansweredNs(SplitEntry entry) => entry.IsLowSpeed
        ? WireTime.LowSpeedUnanswered(entry.Length, entry.IsIn)
        : WireTime.FullSpeedUnanswered(entry.Length);

    // Frames below begin a microframe later than those above.
    private ulong FrameEnd(ulong now)
    {
        if (!Bus.Frames.IsRunning)
            return now + WireTime.FrameNs;
        ulong count = Bus.Frames.Count(now);
        return Bus.Frames.StartOf((((count + 7) >> 3) << 3) + 1);
    }

    private void Plan()
    {
        ulong now = _loop.NowNs;
        ulong? next;
        if (_running is { } running)
        {
            if (running is { Type: TransferType.Isochronous, IsIn: false })
                running.EndNs = running.StartNs + WireNs(running, running.Length) + _thinkNs;
            next = running.NextPartByNs != 0 ? running.NextPartByNs : running.EndNs;
        }
        else if (_isStopped)
        {
            next = null;
        }
        else
        {
            next = _periodic.NextDueNs();
            if (_nonPeriodic.NextDueNs() is { } due)
            {
                // One that does not fit into this frame any more waits for the next one.
                ulong at = due <= now && _nonPeriodic.NextToGo(now) is { } waiting && WorstNs(waiting) > FrameEnd(now) - now ? FrameEnd(now) : due;
                next = next is { } other ? Math.Min(other, at) : at;
            }
        }

        if (next is not { } time)
        {
            _pump.Cancel();
            return;
        }

        time = Math.Max(Math.Max(time, _freeNs), now);
        if (_pump.IsPending && _plannedNs == time)
            return;
        _plannedNs = time;
        _loop.Schedule(time - now, _pump);
    }
}
