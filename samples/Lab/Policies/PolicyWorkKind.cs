namespace Dma.Lab;

/// <summary>In which direction the work of a comparison moves data.</summary>
public enum PolicyWorkKind
{
    /// <summary>From the disk into memory.</summary>
    Read = 0,

    /// <summary>From memory to the disk.</summary>
    Write,

    /// <summary>In turns.</summary>
    Mixed,
}
