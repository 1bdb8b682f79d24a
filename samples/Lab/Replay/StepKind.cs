namespace Dma.Lab;

/// <summary>What a step of a recorded script does; the names in files are those of the format.</summary>
internal enum StepKind
{
    /// <summary>A remark; nothing is done.</summary>
    Note = 0,

    /// <summary>The processor writes memory.</summary>
    MemoryWrite,

    /// <summary>The processor reads memory.</summary>
    MemoryRead,

    /// <summary>The processor writes a register of the unit.</summary>
    RegisterWrite,

    /// <summary>The processor reads a register of the unit.</summary>
    RegisterRead,

    /// <summary>A device reads memory.</summary>
    DmaRead,

    /// <summary>A device writes memory.</summary>
    DmaWrite,

    /// <summary>A device sends an interrupt message.</summary>
    Message,

    /// <summary>A look at the interrupts that arrived.</summary>
    InterruptCheck,
}
