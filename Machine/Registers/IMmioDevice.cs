namespace Dma.Machine;

/// <summary>Something that answers at memory or port addresses of the system bus.</summary>
public interface IMmioDevice
{
    /// <summary>A read of 1, 2, 4 or 8 bytes at an offset within the window.</summary>
    ulong Read(ulong offset, int width);

    /// <summary>A write of 1, 2, 4 or 8 bytes at an offset within the window.</summary>
    void Write(ulong offset, int width, ulong value);
}
