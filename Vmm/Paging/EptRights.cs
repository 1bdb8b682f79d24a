namespace Dma.Vmm;

/// <summary>What a processor may do with a guest-physical page (bits 2:0 of an EPT entry).</summary>
[Flags]
public enum EptRights
{
    /// <summary>Nothing: not present.</summary>
    None = 0,

    /// <summary>Bit 0, loads.</summary>
    Read = 1,

    /// <summary>Bit 1, stores; without <see cref="Read"/> it is a misconfiguration.</summary>
    Write = 2,

    /// <summary>Bit 2, instruction fetches.</summary>
    Execute = 4,

    /// <summary>Loads and stores.</summary>
    ReadWrite = Read | Write,

    /// <summary>All three.</summary>
    All = Read | Write | Execute,
}
