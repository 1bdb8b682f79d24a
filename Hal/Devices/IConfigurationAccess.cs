namespace Dma.Hal;

/// <summary>The PCI configuration space of one function, 256 or 4096 bytes.</summary>
public interface IConfigurationAccess
{
    /// <summary>Reads 1, 2 or 4 bytes at a naturally aligned offset; all ones where no function answers.</summary>
    uint Read(int offset, int width);

    /// <summary>Writes 1, 2 or 4 bytes at a naturally aligned offset.</summary>
    void Write(int offset, int width, uint value);
}
