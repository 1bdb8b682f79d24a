namespace Dma.Machine;

/// <summary>How a file holds the memory of a machine.</summary>
public enum MemoryImageFormat
{
    /// <summary>As its first bytes say: ELF where they do, raw elsewhere.</summary>
    Detect = 0,

    /// <summary>Byte after byte from one address on, as <c>pmemsave</c> writes it.</summary>
    Raw,

    /// <summary>An ELF core with a load segment for each piece of memory, as <c>dump-guest-memory</c> writes it.</summary>
    Elf,
}
