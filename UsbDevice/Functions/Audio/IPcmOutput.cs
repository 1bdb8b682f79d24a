namespace Dma.UsbDevice;

/// <summary>Where the sound of a sink goes.</summary>
public interface IPcmOutput
{
    /// <summary>Samples are heard.</summary>
    /// <param name="samples">Frames of all channels, 16 bits each, little-endian; valid only during the call.</param>
    void Play(ReadOnlySpan<byte> samples);

    /// <summary>Nothing is heard, because nothing came in time.</summary>
    /// <param name="frames">For how many samples of all channels.</param>
    void Silence(ulong frames);
}
