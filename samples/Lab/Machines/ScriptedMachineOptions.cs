using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>How a <see cref="ScriptedMachine"/> is built.</summary>
internal sealed record ScriptedMachineOptions
{
    /// <summary>The remapping unit; null for a machine without one, where devices reach memory as it is.</summary>
    public HardwareProfile? Profile { get; init; } = HardwareProfile.Named("qemu");

    /// <summary>Bytes of memory, a multiple of 4096.</summary>
    public ulong RamBytes { get; init; } = 512 << 20;

    /// <summary>A file that holds the memory and that others may map; it is created, or grown to the size. Null for memory of its own.</summary>
    public string? RamFile { get; init; }

    /// <summary>Puts something between devices and the fabric that looks at their requests; null for nothing.</summary>
    public Func<IDmaFabric, IDmaFabric>? Watch { get; init; }
}
