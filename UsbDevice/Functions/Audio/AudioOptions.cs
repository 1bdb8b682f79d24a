namespace Dma.UsbDevice;

/// <summary>What an audio device can do; samples are signed, 16 bits wide, little-endian.</summary>
public sealed record AudioOptions
{
    /// <summary>Bytes of a sample of one channel.</summary>
    public const int SampleBytes = 2;

    /// <summary>Sampling rates that the host may choose from, in hertz, 8000 to 96000; the first one is there after a reset.</summary>
    public IReadOnlyList<int> Rates { get; init; } = [48000, 44100, 32000];

    /// <summary>Channels, 1 or 2.</summary>
    public int Channels { get; init; } = 2;

    /// <summary>Whether a high-speed device moves a small packet in every microframe, not a larger one each millisecond.</summary>
    public bool EveryMicroframe { get; init; }

    /// <summary>Bytes of a sample of all channels.</summary>
    public int FrameBytes => Channels * SampleBytes;
}
