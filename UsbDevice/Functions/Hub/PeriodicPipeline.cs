using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The interrupt and isochronous transactions of a translator, in the order in which they were started (USB 2.0, periodic split transactions).</summary>
/// <remarks>
/// A start-split gets no handshake: one too many is lost, and its complete-splits are answered by NYET. What waited for
/// four microframes is not begun any more, and a result that nobody fetched for that long is dropped.
/// </remarks>
internal sealed class PeriodicPipeline
{
    /// <summary>The longest payload, in bytes.</summary>
    public const int BytesMax = 1023;

    // 16 start-splits fit into a microframe; those of two are held.
    private const int EntriesMax = 32;
    private const ulong PatienceNs = 4 * WireTime.MicroframeNs;

    private readonly SplitEntry[] _entries = [.. Enumerable.Range(0, EntriesMax).Select(static _ => new SplitEntry(BytesMax))];
    private int _first;
    private int _count;

    /// <summary>How many there are.</summary>
    public int Count => _count;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (SplitEntry entry in _entries)
            entry.Phase = SplitEntry.State.Free;
        (_first, _count) = (0, 0);
    }

    /// <summary>A start-split.</summary>
    /// <returns>Silence.</returns>
    public UsbReply Start(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, FrameClock frames, ulong nowNs)
    {
        Forget(nowNs);
        ulong next = StartOfMicroframe(frames, nowNs, later: 1);
        bool isIsochronousOut = token.Split.EndpointType == TransferType.Isochronous && token.Pid != UsbPid.In;
        if (isIsochronousOut && !token.Split.SpeedOrStart)
        {
            Continue(token, data, frames, nowNs);
            return UsbReply.Silence;
        }

        if (_count == EntriesMax)
            return UsbReply.Silence;
        SplitEntry entry = _entries[(_first + _count) % EntriesMax];
        if (!entry.TryBegin(token, dataPid, data, next))
            return UsbReply.Silence;
        _count++;
        if (isIsochronousOut && !token.Split.End)
            entry.NextPartByNs = StartOfMicroframe(frames, nowNs, later: 2);
        return UsbReply.Silence;
    }

    /// <summary>A complete-split.</summary>
    /// <returns>What came by the end of the microframe before: the device's answer, MDATA for a part of its data, ERR, or NYET for nothing.</returns>
    public UsbReply Complete(in UsbToken token, Span<byte> packet, FrameClock frames, ulong nowNs)
    {
        Forget(nowNs);
        ulong until = StartOfMicroframe(frames, nowNs, later: 0);
        if (Find(token) is not { Phase: SplitEntry.State.Started } entry)
            return UsbReply.Nyet;
        bool isOver = entry.EndNs <= until;
        int available = !entry.Reply.IsData ? 0 : isOver ? entry.Length : BytesBy(entry, until);
        if (!isOver && available <= entry.Taken)
            return UsbReply.Nyet;
        entry.Data[entry.Taken..available].CopyTo(packet);
        int length = available - entry.Taken;
        entry.Taken = available;
        if (!isOver)
            return UsbReply.Data(UsbPid.DataM, length);
        entry.Phase = SplitEntry.State.Free;
        return entry.Reply.IsData ? UsbReply.Data(entry.Reply.Pid, length) : entry.Reply;
    }

    /// <summary>The transaction that goes out next, or null.</summary>
    public SplitEntry? NextToGo(ulong nowNs)
    {
        for (int index = 0; index < _count; index++)
        {
            SplitEntry entry = At(index);
            if (entry.Phase != SplitEntry.State.Waiting)
                continue;
            if (entry.EligibleNs > nowNs)
                return null;
            if (nowNs - entry.EligibleNs < PatienceNs)
                return entry;
            entry.Phase = SplitEntry.State.Free;
        }

        return null;
    }

    /// <summary>When the next one may go out; null where none waits.</summary>
    public ulong? NextDueNs()
    {
        for (int index = 0; index < _count; index++)
        {
            if (At(index) is { Phase: SplitEntry.State.Waiting } entry)
                return entry.EligibleNs;
        }

        return null;
    }

    // A further part of an isochronous payload: it must come in the microframe after the part before.
    private void Continue(in UsbToken token, ReadOnlySpan<byte> data, FrameClock frames, ulong nowNs)
    {
        SplitEntry? entry = Find(token);
        if (entry is null || entry.NextPartByNs == 0)
            return;
        bool isInTime = nowNs < entry.NextPartByNs && entry.NextPartByNs - nowNs <= WireTime.MicroframeNs;
        if (isInTime && entry.TryAppend(data))
            entry.NextPartByNs = token.Split.End ? 0 : StartOfMicroframe(frames, nowNs, later: 2);
        else
            entry.NextPartByNs = nowNs;
    }

    // Bytes that were on the wire by some time: half of what a packet without data takes comes before them, half behind.
    private static int BytesBy(SplitEntry entry, ulong timeNs)
    {
        ulong empty = TransactionTranslator.WireNs(entry, 0);
        ulong full = TransactionTranslator.WireNs(entry, entry.Length);
        ulong begin = entry.StartNs + (empty / 2);
        return timeNs <= begin || full == empty ? 0 : (int)Math.Min((timeNs - begin) * (ulong)entry.Length / (full - empty), (ulong)entry.Length);
    }

    private static ulong StartOfMicroframe(FrameClock frames, ulong nowNs, uint later) =>
        frames.IsRunning ? frames.StartOf(frames.Count(nowNs) + later) : nowNs + (later * WireTime.MicroframeNs);

    // Gives back the places at the front whose transactions are fetched, lost, or too old.
    private void Forget(ulong nowNs)
    {
        for (int index = 0; index < _count; index++)
        {
            if (At(index) is { Phase: SplitEntry.State.Started } entry && nowNs > entry.EndNs && nowNs - entry.EndNs >= PatienceNs)
                entry.Phase = SplitEntry.State.Free;
        }

        while (_count != 0 && At(0).Phase == SplitEntry.State.Free)
            (_first, _count) = ((_first + 1) % EntriesMax, _count - 1);
    }

    private SplitEntry? Find(in UsbToken token)
    {
        for (int index = 0; index < _count; index++)
        {
            if (At(index).Matches(token))
                return At(index);
        }

        return null;
    }

    private SplitEntry At(int index) => _entries[(_first + index) % EntriesMax];
}
