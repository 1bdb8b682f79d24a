namespace Dma.UsbDevice;

/// <summary>Keeps what a sink plays, silence included, until it is full.</summary>
/// <param name="frameBytes">Bytes of a sample of all channels.</param>
/// <param name="bytesMax">How much is kept; what is heard after that is not.</param>
public sealed class PcmRecording(int frameBytes, int bytesMax = 64 << 20) : IPcmOutput
{
    private readonly List<byte> _samples = [];

    /// <summary>What was heard, oldest first.</summary>
    public IReadOnlyList<byte> Samples => _samples;

    /// <inheritdoc/>
    public void Play(ReadOnlySpan<byte> samples) => _samples.AddRange(samples[..Math.Min(samples.Length, bytesMax - _samples.Count)]);

    /// <inheritdoc/>
    public void Silence(ulong frames) =>
        _samples.AddRange(new byte[(int)Math.Min(frames * (ulong)frameBytes, (ulong)(bytesMax - _samples.Count))]);
}
