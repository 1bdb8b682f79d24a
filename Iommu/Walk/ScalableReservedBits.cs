using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Which bits of scalable-mode root, context and PASID entries are reserved on a unit.</summary>
internal sealed class ScalableReservedBits
{
    /// <summary>The masks of a unit.</summary>
    public ScalableReservedBits(HardwareProfile profile)
    {
        int domainBits = 4 + (2 * profile.Capabilities.DomainsCode);
        RootLower = Bits128.Mask(11, 1) | Bits128.Mask(63, profile.HostAddressWidth);
        RootUpper = Bits128.Mask(75, 65) | Bits128.Mask(127, 64 + profile.HostAddressWidth);
        Context = Bits256.Mask(8, 5) | Bits256.Mask(255, 85) | Bits256.Mask(63, profile.HostAddressWidth);
        PasidDirectory = Bits64.Mask(11, 2) | Bits64.Mask(63, profile.HostAddressWidth);
        PasidEntry = OfPasidEntry(profile, domainBits);
        PasidSecondStageTable = Bits512.Mask(63, profile.HostAddressWidth);
        PasidFirstStageTable = Bits512.Mask(191, 128 + profile.HostAddressWidth);
    }

    /// <summary>The lower half of a root entry.</summary>
    public Bits128 RootLower { get; }

    /// <summary>The upper half of a root entry.</summary>
    public Bits128 RootUpper { get; }

    /// <summary>A context entry.</summary>
    public Bits256 Context { get; }

    /// <summary>A PASID directory entry.</summary>
    public ulong PasidDirectory { get; }

    /// <summary>A PASID table entry, without its table pointers.</summary>
    public Bits512 PasidEntry { get; }

    /// <summary>The second-stage table pointer of a PASID entry, where it is used.</summary>
    public Bits512 PasidSecondStageTable { get; }

    /// <summary>The first-stage table pointer of a PASID entry, where it is used and not translated itself.</summary>
    public Bits512 PasidFirstStageTable { get; }

    private static Bits512 OfPasidEntry(HardwareProfile profile, int domainBits)
    {
        Bits512 mask = Bits512.Mask(5, 5) | Bits512.Mask(11, 10) | Bits512.Mask(86, 80) | Bits512.Mask(139, 136) | Bits512.Mask(511, 192);
        if (domainBits < 16)
            mask |= Bits512.Mask(79, 64 + domainBits);
        if (!profile.ExtendedCapabilities.SecondStageAccessedDirty)
            mask |= Bits512.Mask(9, 9);
        if (!profile.ExtendedCapabilities.ExtendedAccessed)
            mask |= Bits512.Mask(135, 135);
        if (!profile.ExtendedCapabilities.MemoryTypes)
            mask |= Bits512.Mask(127, 89);
        return mask;
    }
}
