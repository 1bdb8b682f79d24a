using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A device with one stream of sound (USB audio 1.0).</summary>
/// <remarks>
/// The stream has two settings. In setting 0 it is off and has no endpoint, so that it takes no bandwidth; setting 1
/// has the isochronous endpoint. The device keeps its own time, the virtual one, and nothing is planned for it.
/// </remarks>
public abstract class AudioDevice : StandardDevice
{
    private readonly bool _isSource;

    private protected AudioDevice(EventLoop loop, AudioOptions options, UsbSpeed speed, bool isSource)
        : base(speed, AudioDescriptors.Of(options, speed, isSource))
    {
        (Loop, Options, _isSource) = (loop, options, isSource);
        IntervalNs = AudioDescriptors.IntervalNs(options, speed);
        Features = new(options.Channels);
        Rate = options.Rates[0];
    }

    /// <summary>What it can do.</summary>
    public AudioOptions Options { get; }

    /// <summary>Mute and volume, as the host set them.</summary>
    public FeatureUnit Features { get; }

    /// <summary>The sampling rate that the host chose, in hertz.</summary>
    public int Rate { get; private set; }

    /// <summary>Whether the host switched the stream on.</summary>
    public bool IsStreaming => Configuration != 0 && AlternateOf(AudioDescriptors.StreamingInterface) == AudioDescriptors.StreamingSetting;

    /// <summary>The time that it lives in.</summary>
    private protected EventLoop Loop { get; }

    /// <summary>How often a packet is due, in nanoseconds.</summary>
    private protected uint IntervalNs { get; }

    /// <summary>The stream goes off, or begins anew: because of a setting, another rate, another configuration or a reset.</summary>
    private protected abstract void Restart();

    /// <inheritdoc/>
    protected override void OnReset()
    {
        Features.Reset();
        Rate = Options.Rates[0];
        Restart();
    }

    /// <inheritdoc/>
    protected override void OnConfigured() => Restart();

    /// <inheritdoc/>
    protected override void OnInterfaceSet(int number)
    {
        if (number == AudioDescriptors.StreamingInterface)
            Restart();
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        if (setup.Type != RequestType.Class || Configuration == 0)
            return Refused;
        return setup.Recipient switch
        {
            RequestRecipient.Interface when setup.Index == ((AudioDescriptors.FeatureUnitId << 8) | AudioDescriptors.ControlInterface) =>
                Features.Request(setup, data),
            RequestRecipient.Endpoint when IsStreaming && setup.Index == (AudioDescriptors.StreamEndpoint | (_isSource ? 0x80 : 0)) =>
                EndpointRequest(setup, data),
            _ => Refused,
        };
    }

    /// <summary>How many samples fall into so much time.</summary>
    /// <param name="timeNs">Nanoseconds.</param>
    private protected ulong SamplesIn(ulong timeNs)
    {
        const ulong SecondNs = 1_000_000_000;
        return (timeNs / SecondNs * (ulong)Rate) + (timeNs % SecondNs * (ulong)Rate / SecondNs);
    }

    private int EndpointRequest(in SetupPacket setup, Span<byte> data)
    {
        const int RateControl = 0x0100;
        const int RateBytes = 3;
        if (setup.Value != RateControl || data.Length != RateBytes)
            return Refused;
        int answer;
        switch ((AudioRequest)setup.Request)
        {
            case AudioRequest.SetCurrent when !setup.In:
                return SetRate(data[0] | (data[1] << 8) | (data[2] << 16));
            case AudioRequest.GetCurrent when setup.In:
                answer = Rate;
                break;
            case AudioRequest.GetMinimum when setup.In:
                answer = Options.Rates.Min();
                break;
            case AudioRequest.GetMaximum when setup.In:
                answer = Options.Rates.Max();
                break;
            default:
                return Refused;
        }

        AudioDescriptors.RateBytes(answer).CopyTo(data);
        return RateBytes;
    }

    private int SetRate(int rate)
    {
        if (!Options.Rates.Contains(rate))
            return Refused;
        if (rate != Rate)
        {
            Restart();
            Rate = rate;
        }

        return 0;
    }
}
