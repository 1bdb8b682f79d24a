namespace Dma.Hal;

/// <summary>What a device may do with a buffer that is mapped for it.</summary>
[Flags]
public enum DmaDirection
{
    /// <summary>Nothing; no mapping has this.</summary>
    None = 0,

    /// <summary>The device reads memory.</summary>
    ToDevice = 1,

    /// <summary>The device writes memory.</summary>
    FromDevice = 2,

    /// <summary>Both.</summary>
    Bidirectional = ToDevice | FromDevice,
}
