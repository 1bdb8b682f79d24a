using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>Which bits of PASID structures must be zero (VT-d, 1.6 and 1.7 of the reference).</summary>
internal static class PasidReservedBits
{
    /// <summary>Whether an entry of the PASID directory has a reserved bit set.</summary>
    public static bool InDirectory(ulong entry, HardwareProfile hardware) =>
        (entry & (Bits64.Mask(11, 2) | ~Bits64.Mask(hardware.HostAddressWidth - 1, 0))) != 0;

    /// <summary>Whether an entry of the PASID table has a reserved bit set.</summary>
    public static bool InEntry(ulong[] entry, HardwareProfile hardware)
    {
        ExtendedCapabilityRegister has = hardware.ExtendedCapabilities;
        ulong beyond = ~Bits64.Mask(hardware.HostAddressWidth - 1, 0);
        ulong first = Bits64.Mask(5, 5) | Bits64.Mask(11, 10) | beyond | (has.SecondStageAccessedDirty ? 0 : Bits64.Mask(9, 9));
        ulong domain = Bits64.Mask(15, 0) & ~Bits64.Mask(3 + (2 * hardware.Capabilities.DomainsCode), 0);
        ulong second = Bits64.Mask(22, 16) | domain | (has.MemoryTypes ? 0 : Bits64.Mask(63, 25));
        ulong third = Bits64.Mask(11, 8) | beyond | (has.ExtendedAccessed ? 0 : Bits64.Mask(7, 7));
        return (entry[0] & first) != 0 || (entry[1] & second) != 0 || (entry[2] & third) != 0 || entry.AsSpan(3).ContainsAnyExcept(0ul);
    }
}
