namespace Dma.UsbDevice;

/// <summary>Samples that are given, once; then silence.</summary>
/// <param name="samples">Frames, 16 bits a channel, little-endian.</param>
public sealed class PcmClip(ReadOnlyMemory<byte> samples) : IPcmInput
{
    private int _at;

    /// <inheritdoc/>
    public void Read(Span<byte> samples, int channels, int rate)
    {
        int count = Math.Min(samples.Length, Left.Length);
        Left[..count].CopyTo(samples);
        samples[count..].Clear();
        _at += count;
    }

    /// <inheritdoc/>
    public void Skip(ulong frames, int channels, int rate) =>
        _at += (int)Math.Min(frames * (ulong)(channels * AudioOptions.SampleBytes), (ulong)Left.Length);

    private ReadOnlySpan<byte> Left => samples.Span[_at..];
}
