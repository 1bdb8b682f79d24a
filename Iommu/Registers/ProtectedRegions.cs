using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The two regions of memory that software can close to untranslated DMA (VT-d, protected memory).</summary>
/// <remarks>
/// They guard the time before translation is on, and pass-through. Translated addresses are not checked, as the
/// manual permits, nor are the unit's own reads of tables and queues. A blocked request leaves no fault record.
/// </remarks>
internal sealed class ProtectedRegions(RegisterFile registers, HardwareProfile profile)
{
    /// <summary>Regions begin and end at multiples of 2 MiB: this many low bits are fixed.</summary>
    public const int Granularity = 21;

    /// <summary>Whether there are regions and they are closed.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>A register of the regions was written, or all were reset.</summary>
    public void Update()
    {
        if (!RegisterMap.HasProtectedMemory(profile))
            return;
        ProtectedMemoryEnable now = new(new(registers[RegisterOffsets.ProtectedMemoryEnable]));
        IsEnabled = now.Enable;
        registers[RegisterOffsets.ProtectedMemoryEnable] = (now with { Status = now.Enable }).Raw.Value;
    }

    /// <summary>Whether an untranslated access to a page is blocked.</summary>
    public bool Blocks(ulong address)
    {
        if (!IsEnabled)
            return false;
        ulong granule = address >> Granularity;
        CapabilityRegister has = profile.Capabilities;
        return (has.ProtectedLowMemory && Covers(granule, RegisterOffsets.ProtectedLowBase, RegisterOffsets.ProtectedLowLimit))
            || (has.ProtectedHighMemory && Covers(granule, RegisterOffsets.ProtectedHighBase, RegisterOffsets.ProtectedHighLimit));
    }

    // A limit below its base is an empty region.
    private bool Covers(ulong granule, int first, int last) =>
        granule >= registers[first] >> Granularity && granule <= registers[last] >> Granularity;
}
