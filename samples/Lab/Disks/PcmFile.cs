using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>Writes what is played to a file: samples alone, 16 bits, little-endian, channels in turn.</summary>
/// <remarks>A file that cannot be written any more, as on a full disk, ends the recording; the device plays on.</remarks>
internal sealed class PcmFile : IPcmOutput, IDisposable
{
    private static readonly byte[] NoSound = new byte[4096];

    private readonly FileStream _file;
    private readonly int _frameBytes;
    private bool _isFull;

    /// <summary>Creates a file, or empties one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="frameBytes">Bytes of a sample of all channels.</param>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be created.</exception>
    public PcmFile(string path, int frameBytes) => (_file, _frameBytes) = (new(path, FileMode.Create, FileAccess.Write, FileShare.Read), frameBytes);

    /// <inheritdoc/>
    public void Play(ReadOnlySpan<byte> samples)
    {
        if (_isFull)
            return;
        try
        {
            _file.Write(samples);
        }
        catch (IOException)
        {
            _isFull = true;
        }
    }

    /// <inheritdoc/>
    public void Silence(ulong frames)
    {
        for (ulong left = frames * (ulong)_frameBytes; left != 0 && !_isFull;)
        {
            int count = (int)Math.Min(left, (ulong)NoSound.Length);
            Play(NoSound.AsSpan(0, count));
            left -= (ulong)count;
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();
}
