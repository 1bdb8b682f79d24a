using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The control and bulk transactions of a translator: one buffer for each (USB 2.0, non-periodic split transactions).</summary>
/// <remarks>
/// A result is kept after it was fetched, in case the host did not hear it, until the buffer is needed. What a host gives
/// up without fetching stays until it clears the buffer.
/// </remarks>
/// <param name="count">How many, at least 2.</param>
internal sealed class NonPeriodicBuffers(int count)
{
    private const int BytesMax = 64;

    private readonly SplitEntry[] _entries = [.. Enumerable.Range(0, count).Select(static _ => new SplitEntry(BytesMax))];
    private int _next;

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (SplitEntry entry in _entries)
            entry.Phase = SplitEntry.State.Free;
    }

    /// <summary>Forgets what an endpoint has in a buffer.</summary>
    /// <returns>What it had, or null.</returns>
    public SplitEntry? Clear(TtBufferSelector selector)
    {
        UsbToken token = new(selector.In ? UsbPid.In : UsbPid.Out, selector.DeviceAddress, (byte)selector.Endpoint)
        {
            Split = new() { Pid = UsbPid.Split, EndpointType = selector.EndpointType },
        };
        SplitEntry? entry = Find(token);
        entry?.Phase = SplitEntry.State.Free;
        return entry;
    }

    /// <summary>Whether an entry is one of these.</summary>
    public bool Holds(SplitEntry entry) => Array.IndexOf(_entries, entry) >= 0;

    /// <summary>Three bytes for each buffer: its state, its endpoint and its device.</summary>
    public IEnumerable<byte> Describe() =>
        _entries.SelectMany(static entry => (byte[])[(byte)entry.Phase, entry.Token.Endpoint, entry.Token.Address]);

    /// <summary>A start-split.</summary>
    /// <returns>ACK where it is taken, or was before; NAK where all buffers are in use; silence where it is too long.</returns>
    public UsbReply Start(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data, ulong nowNs)
    {
        // One that is under way is repeated: the host did not hear the handshake.
        SplitEntry? mine = Find(token);
        if (mine is { Phase: SplitEntry.State.Waiting or SplitEntry.State.Started })
            return UsbReply.Ack;
        mine ??= Unused();
        if (mine is null)
            return UsbReply.Nak;
        return mine.TryBegin(token, dataPid, data, nowNs) ? UsbReply.Ack : UsbReply.Silence;
    }

    /// <summary>A complete-split.</summary>
    /// <returns>What the device answered; NYET while that is not known; STALL where nothing was started.</returns>
    public UsbReply Complete(in UsbToken token, Span<byte> packet, ulong nowNs)
    {
        if (Find(token) is not { } entry)
            return UsbReply.Stall;
        bool isKnown = entry.Phase == SplitEntry.State.Collected
            || (entry.Phase == SplitEntry.State.Started && entry.EndNs <= nowNs && entry.Reply.Pid != UsbPid.None);
        if (!isKnown)
            return UsbReply.Nyet;
        entry.Phase = SplitEntry.State.Collected;
        if (entry.Reply.IsData)
            entry.Data.CopyTo(packet);
        return entry.Reply;
    }

    /// <summary>The transaction that goes out next, or null; endpoints take turns.</summary>
    public SplitEntry? NextToGo(ulong nowNs)
    {
        for (int step = 0; step < _entries.Length; step++)
        {
            SplitEntry entry = _entries[(_next + step) % _entries.Length];
            if (entry.Phase != SplitEntry.State.Waiting || entry.EligibleNs > nowNs)
                continue;
            _next = (_next + step) % _entries.Length;
            return entry;
        }

        return null;
    }

    /// <summary>When one could go out; null where none waits.</summary>
    public ulong? NextDueNs()
    {
        ulong? due = null;
        foreach (SplitEntry entry in _entries)
        {
            if (entry.Phase == SplitEntry.State.Waiting && !(due <= entry.EligibleNs))
                due = entry.EligibleNs;
        }

        return due;
    }

    private SplitEntry? Find(in UsbToken token)
    {
        foreach (SplitEntry entry in _entries)
        {
            if (entry.Matches(token))
                return entry;
        }

        return null;
    }

    // Rather one that is empty than a result that might be asked for again.
    private SplitEntry? Unused() =>
        Array.Find(_entries, static entry => entry.Phase == SplitEntry.State.Free)
        ?? Array.Find(_entries, static entry => entry.Phase == SplitEntry.State.Collected);
}
