namespace Dma.Hal;

/// <summary>What a driver, or its device, did wrong with DMA memory.</summary>
public enum DmaMisuseKind
{
    /// <summary>Never reported.</summary>
    None = 0,

    /// <summary>A mapping that had ended was unmapped or synchronized again, or the device used it.</summary>
    UseAfterUnmap,

    /// <summary>Bytes were mapped that were mapped already: who owns them, and in which direction, is not clear then.</summary>
    DoubleMap,

    /// <summary>A mapping was unmapped in another direction or length than it was mapped, or the device went against its direction.</summary>
    WrongDirection,

    /// <summary>The processor used bytes that the device owned: it reads what is not there yet, or its bytes are lost.</summary>
    CpuAccess,

    /// <summary>A mapping has a page in common with another buffer in use: translation works by pages, so the device reaches both.</summary>
    SharedPage,

    /// <summary>Something that was never mapped was unmapped or synchronized, or a range beyond its end.</summary>
    NotMapped,

    /// <summary>Memory that the device may still reach was given back, or memory that was not allocated here.</summary>
    BadFree,

    /// <summary>The driver let go of its device and left this behind.</summary>
    Leak,
}
