using System.Buffers.Binary;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Mute and volume of an audio device (USB audio 1.0, feature unit).</summary>
/// <param name="channels">Channels.</param>
public sealed class FeatureUnit(int channels)
{
    /// <summary>The lowest volume, in 1/256 dB: -60 dB.</summary>
    public const short VolumeMin = -60 * 256;

    /// <summary>The highest volume, in 1/256 dB: samples as they are.</summary>
    public const short VolumeMax = 0;

    /// <summary>The step that makes a difference, in 1/256 dB.</summary>
    public const short VolumeStep = 256;

    /// <summary>What stands for silence, beside all volumes.</summary>
    public const short Silence = short.MinValue;

    private const int Refused = -1;
    private const int FullGain = 1 << 16;

    private readonly short[] _volumes = new short[channels];
    private readonly int[] _gains = [.. Enumerable.Repeat(FullGain, channels)];

    /// <summary>Whether all is muted.</summary>
    public bool IsMuted { get; private set; }

    /// <summary>The volume of a channel, in 1/256 dB; <see cref="Silence"/> for none.</summary>
    /// <param name="channel">From 0 on.</param>
    public short VolumeOf(int channel) => _volumes[channel];

    internal void Reset()
    {
        IsMuted = false;
        for (int channel = 0; channel < channels; channel++)
            SetVolume(channel, VolumeMax);
    }

    /// <summary>A request for the unit.</summary>
    /// <returns>Bytes of the answer; negative to refuse.</returns>
    internal int Request(in SetupPacket setup, Span<byte> data)
    {
        // The lower byte of wValue is the channel: 0 for the master, which has mute alone, and from 1 on for volume.
        int channel = (byte)setup.Value;
        return (FeatureControl)(setup.Value >> 8) switch
        {
            FeatureControl.Mute when channel == 0 => Mute(setup, data),
            FeatureControl.Volume when channel >= 1 && channel <= channels => Volume(setup, channel - 1, data),
            _ => Refused,
        };
    }

    /// <summary>Turns samples into what is heard.</summary>
    /// <param name="samples">Frames of all channels.</param>
    internal void Apply(Span<byte> samples)
    {
        if (IsMuted)
        {
            samples.Clear();
            return;
        }

        for (int at = 0, channel = 0; at < samples.Length; at += AudioOptions.SampleBytes, channel = channel + 1 == channels ? 0 : channel + 1)
        {
            if (_gains[channel] == FullGain)
                continue;
            Span<byte> sample = samples.Slice(at, AudioOptions.SampleBytes);
            BinaryPrimitives.WriteInt16LittleEndian(sample, (short)(BinaryPrimitives.ReadInt16LittleEndian(sample) * (long)_gains[channel] / FullGain));
        }
    }

    private int Mute(in SetupPacket setup, Span<byte> data)
    {
        switch ((AudioRequest)setup.Request)
        {
            case AudioRequest.SetCurrent when !setup.In && data is [0 or 1]:
                IsMuted = data[0] == 1;
                return 0;
            case AudioRequest.GetCurrent when setup is { In: true, Length: >= 1 }:
                data[0] = IsMuted ? (byte)1 : (byte)0;
                return 1;
            default:
                return Refused;
        }
    }

    private int Volume(in SetupPacket setup, int channel, Span<byte> data)
    {
        if ((AudioRequest)setup.Request == AudioRequest.SetCurrent)
        {
            short asked = data.Length == sizeof(short) && !setup.In ? BinaryPrimitives.ReadInt16LittleEndian(data) : (short)1;
            if (asked is not (Silence or (>= VolumeMin and <= VolumeMax)))
                return Refused;
            SetVolume(channel, asked);
            return 0;
        }

        if (!setup.In || data.Length < sizeof(short))
            return Refused;
        short? answer = (AudioRequest)setup.Request switch
        {
            AudioRequest.GetCurrent => _volumes[channel],
            AudioRequest.GetMinimum => VolumeMin,
            AudioRequest.GetMaximum => VolumeMax,
            AudioRequest.GetResolution => VolumeStep,
            _ => null,
        };
        if (answer is not { } value)
            return Refused;
        BinaryPrimitives.WriteInt16LittleEndian(data, value);
        return sizeof(short);
    }

    private void SetVolume(int channel, short volume)
    {
        _volumes[channel] = volume;
        _gains[channel] = volume == Silence ? 0 : (int)Math.Round(FullGain * Math.Pow(10, volume / (256.0 * 20)));
    }
}
