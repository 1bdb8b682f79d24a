namespace Dma.Hal;

/// <summary>What is decided when a process shares its address space with a device.</summary>
public sealed record ProcessOptions
{
    /// <summary>The domain on top of which the page table stands, as where the process is one of a guest; null for memory itself.</summary>
    public RemappingDomain? Host { get; init; }

    /// <summary>Whether requests with supervisor privilege are served, as for an address space of the system.</summary>
    public bool AllowsSupervisor { get; init; }
}
