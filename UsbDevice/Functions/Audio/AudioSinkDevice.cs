using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>A speaker (USB audio 1.0).</summary>
/// <remarks>
/// <para>It begins to play two intervals after the first packet, so that packets may come a little early or late, and
/// plays in its own time. When nothing is left there is silence until packets come again, and the two intervals once more.</para>
/// <para>A stream that is switched off plays to its end.</para>
/// </remarks>
public sealed class AudioSinkDevice : AudioDevice
{
    /// <summary>How much waits to be played at most, in bytes; what comes beyond that is dropped.</summary>
    public const int BufferBytes = 16384;

    private const int IntervalsAhead = 2;

    private readonly IPcmOutput _output;
    private readonly ByteQueue _buffer = new(BufferBytes);
    private readonly byte[] _piece = new byte[1024];
    private State _state;

    // While it plays: when it began, and how much it has played since. In a gap: when that began.
    private ulong _sinceNs;
    private ulong _played;

    /// <summary>A speaker.</summary>
    /// <param name="loop">The time that it lives in.</param>
    /// <param name="output">Where the sound goes.</param>
    /// <param name="options">What it can do; null for two channels and the usual rates.</param>
    /// <param name="speed">Full or high.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    public AudioSinkDevice(EventLoop loop, IPcmOutput output, AudioOptions? options = null, UsbSpeed speed = UsbSpeed.High)
        : base(loop, options ?? new(), speed, isSource: false) => _output = output;

    private enum State
    {
        /// <summary>No packet has come yet.</summary>
        Idle,

        /// <summary>It plays, or will in a moment.</summary>
        Playing,

        /// <summary>Nothing was left to play.</summary>
        Gap,
    }

    /// <summary>Samples of all channels that were played.</summary>
    public ulong FramesPlayed { get; private set; }

    /// <summary>Samples of all channels in which there was silence for want of data.</summary>
    public ulong FramesSilent { get; private set; }

    /// <summary>Samples of all channels that came when there was no room.</summary>
    public ulong FramesDropped { get; private set; }

    /// <summary>How often there was nothing to play, and then packets came again.</summary>
    public ulong Underruns { get; private set; }

    /// <summary>Packets that ended in the middle of a sample; they are dropped whole.</summary>
    public ulong BadPackets { get; private set; }

    private ulong AheadNs => IntervalsAhead * (ulong)IntervalNs;

    /// <summary>Plays what is due by now; the counts are those of the last packet otherwise.</summary>
    public void PlayUntilNow()
    {
        if (_state != State.Playing || Loop.NowNs <= _sinceNs)
            return;
        ulong due = SamplesIn(Loop.NowNs - _sinceNs) - _played;
        ulong waiting = (ulong)(_buffer.Count / Options.FrameBytes);
        Play(Math.Min(due, waiting));
        if (due <= waiting)
            return;

        // It ran dry on the way here: the gap began when the last sample was over.
        _sinceNs += _played / (ulong)Rate * 1_000_000_000 + _played % (ulong)Rate * 1_000_000_000 / (ulong)Rate;
        _state = State.Gap;
    }

    /// <inheritdoc/>
    private protected override void Restart()
    {
        PlayUntilNow();
        Play((ulong)(_buffer.Count / Options.FrameBytes));
        _state = State.Idle;
    }

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        if (data.Length % Options.FrameBytes != 0)
        {
            BadPackets++;
            return UsbReply.Silence;
        }

        PlayUntilNow();
        if (data.IsEmpty)
            return UsbReply.Silence;
        if (_state != State.Playing)
            Begin();
        int room = _buffer.Room / Options.FrameBytes * Options.FrameBytes;
        int taken = Math.Min(room, data.Length);
        _buffer.Append(data[..taken]);
        FramesDropped += (ulong)((data.Length - taken) / Options.FrameBytes);
        return UsbReply.Silence;
    }

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet) => UsbReply.Stall;

    private void Begin()
    {
        ulong startNs = Loop.NowNs + AheadNs;
        if (_state == State.Gap)
        {
            ulong silent = SamplesIn(startNs - _sinceNs);
            FramesSilent += silent;
            Underruns++;
            _output.Silence(silent);
        }

        (_state, _sinceNs, _played) = (State.Playing, startNs, 0);
    }

    private void Play(ulong frames)
    {
        _played += frames;
        FramesPlayed += frames;
        for (int left = (int)frames * Options.FrameBytes; left != 0;)
        {
            Span<byte> piece = _piece.AsSpan(0, Math.Min(left, _piece.Length));
            _buffer.Peek(piece);
            _buffer.Skip(piece.Length);
            Features.Apply(piece);
            _output.Play(piece);
            left -= piece.Length;
        }
    }
}
