using System.Buffers.Binary;

namespace Dma.UsbDevice;

/// <summary>A tone of one frequency, half as loud as can be, the same on all channels and the same every time.</summary>
/// <param name="hertz">The frequency, less than half of every sampling rate.</param>
public sealed class SineWave(int hertz = 440) : IPcmInput
{
    private const int TableBits = 10;
    private const int Amplitude = short.MaxValue / 2;

    // One turn in equal steps; what is between two steps is the earlier one.
    private readonly short[] _turn =
        [.. Enumerable.Range(0, 1 << TableBits).Select(step => (short)Math.Round(Amplitude * Math.Sin(step * 2 * Math.PI / (1 << TableBits))))];

    // How far the turn is, as a fraction of 2^32.
    private uint _phase;

    /// <inheritdoc/>
    public void Read(Span<byte> samples, int channels, int rate)
    {
        uint step = StepOf(rate);
        for (int at = 0; at < samples.Length; _phase += step)
        {
            for (int channel = 0; channel < channels; channel++, at += AudioOptions.SampleBytes)
                BinaryPrimitives.WriteInt16LittleEndian(samples[at..], _turn[_phase >> (32 - TableBits)]);
        }
    }

    /// <inheritdoc/>
    public void Skip(ulong frames, int channels, int rate) => _phase += (uint)(StepOf(rate) * frames);

    private uint StepOf(int rate) => (uint)(((ulong)hertz << 32) / (ulong)rate);
}
