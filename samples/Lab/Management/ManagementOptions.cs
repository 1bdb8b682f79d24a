using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What decides a run of the scenario "management device".</summary>
public sealed record ManagementOptions
{
    /// <summary>The folder that VM 1 is granted; null for one in memory.</summary>
    public IGrantedFolder? Folder { get; init; }

    /// <summary>What people call that folder.</summary>
    public string FolderName { get; init; } = "in memory";

    /// <summary>Where a timeline goes; null for none.</summary>
    public Stream? Trace { get; init; }

    /// <summary>What contents come from.</summary>
    public ulong Seed { get; init; } = 1;
}
