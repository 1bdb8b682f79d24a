namespace Dma.Hal;

/// <summary>For whom granted pages are mapped (Xen, grant table version 1, map flags).</summary>
[Flags]
public enum GrantMapFlags
{
    /// <summary>For nobody; refused.</summary>
    None = 0,

    /// <summary>For the devices of the caller.</summary>
    Device = 1,

    /// <summary>For the processor of the caller.</summary>
    Host = 2,

    /// <summary>To be read alone.</summary>
    ReadOnly = 4,
}
