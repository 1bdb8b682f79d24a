namespace Dma.UsbDevice;

/// <summary>Where the sound of a source comes from.</summary>
public interface IPcmInput
{
    /// <summary>The next samples; where there are none left, silence.</summary>
    /// <param name="samples">Room for frames of all channels, 16 bits each, little-endian.</param>
    /// <param name="channels">How many channels a frame has.</param>
    /// <param name="rate">Frames in a second.</param>
    void Read(Span<byte> samples, int channels, int rate);

    /// <summary>Samples go by that nobody hears.</summary>
    /// <param name="frames">How many, of all channels.</param>
    /// <param name="channels">How many channels a frame has.</param>
    /// <param name="rate">Frames in a second.</param>
    void Skip(ulong frames, int channels, int rate);
}
