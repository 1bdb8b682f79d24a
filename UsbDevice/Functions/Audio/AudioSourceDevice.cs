using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A microphone (USB audio 1.0).</summary>
/// <remarks>
/// It samples in its own time, which begins when the host fetches the first packet: each interval has the samples that
/// fall into it, so that 44.1 kHz gives packets of 44 and of 45. An interval in which the host does not ask is lost.
/// </remarks>
public sealed class AudioSourceDevice : AudioDevice
{
    private readonly IPcmInput _input;
    private ulong _startNs;
    private ulong _interval;
    private bool _isRunning;

    /// <summary>A microphone.</summary>
    /// <param name="loop">The time that it lives in.</param>
    /// <param name="input">What it hears.</param>
    /// <param name="options">What it can do; null for one channel and the usual rates.</param>
    /// <param name="speed">Full or high.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    public AudioSourceDevice(EventLoop loop, IPcmInput input, AudioOptions? options = null, UsbSpeed speed = UsbSpeed.High)
        : base(loop, options ?? new() { Channels = 1 }, speed, isSource: true) => _input = input;

    /// <summary>Samples of all channels that the host fetched.</summary>
    public ulong FramesSent { get; private set; }

    /// <summary>Samples of all channels that the host did not fetch in time.</summary>
    public ulong FramesLost { get; private set; }

    /// <inheritdoc/>
    private protected override void Restart() => _isRunning = false;

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => UsbReply.Stall;

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (!_isRunning)
        {
            // Half an interval ahead: the host may ask a little earlier or later the next time.
            _startNs = Loop.NowNs - Math.Min(Loop.NowNs, IntervalNs / 2);
            _interval = 0;
            _isRunning = true;
        }

        ulong current = (Loop.NowNs - _startNs) / IntervalNs;

        // Asked twice in an interval: the second time there is nothing.
        if (current < _interval)
            return UsbReply.Data(UsbPid.Data0, 0);
        ulong missed = Until(current) - Until(_interval);
        if (missed != 0)
            _input.Skip(missed, Options.Channels, Rate);
        FramesLost += missed;
        ulong frames = Until(current + 1) - Until(current);
        Span<byte> samples = packet[..((int)frames * Options.FrameBytes)];
        _input.Read(samples, Options.Channels, Rate);
        Features.Apply(samples);
        FramesSent += frames;
        _interval = current + 1;
        return UsbReply.Data(UsbPid.Data0, samples.Length);
    }

    // Samples before an interval.
    private ulong Until(ulong interval) => SamplesIn(interval * IntervalNs);
}
