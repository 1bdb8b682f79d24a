using Dma.Iommu;
using Dma.Iommu.Spec;

namespace Dma.Vmm;

/// <summary>Which remapping unit a guest is shown: never more than the host has, and not what the VMM does not follow.</summary>
internal static class VirtualProfile
{
    /// <summary>A unit whose second stage the VMM shadows: legacy mode, with caching mode, so that each change is told.</summary>
    /// <param name="host">The unit of the host.</param>
    /// <param name="remapsInterrupts">Whether it may remap interrupts.</param>
    public static HardwareProfile Shadow(HardwareProfile host, bool remapsInterrupts) => Common(host, remapsInterrupts) with
    {
        Name = $"{host.Name}, shadow",
        Capabilities = CapabilitiesOf(host, remapsInterrupts) with
        {
            SupportedWidths = host.Capabilities.SupportedWidths & 0b01110,
            SecondStage2M = host.Capabilities.SecondStage2M,
            SecondStage1G = host.Capabilities.SecondStage1G,
        },
    };

    /// <summary>A unit whose first stage the host's unit walks: scalable mode with that stage alone, for requests without PASID.</summary>
    /// <remarks>
    /// Caching mode is for entries of requesters and PASIDs, which the VMM has to see: those of the first stage are never
    /// cached while they are not present, so that software tells of none that it maps.
    /// </remarks>
    /// <param name="host">The unit of the host, which can nest.</param>
    /// <param name="remapsInterrupts">Whether it may remap interrupts.</param>
    public static HardwareProfile Nested(HardwareProfile host, bool remapsInterrupts)
    {
        HardwareProfile common = Common(host, remapsInterrupts);
        return common with
        {
            Name = $"{host.Name}, nested",
            Capabilities = common.Capabilities with
            {
                FirstStage1G = host.Capabilities.FirstStage1G,
                FirstStage5Level = host.Capabilities.FirstStage5Level,
            },
            ExtendedCapabilities = common.ExtendedCapabilities with
            {
                ScalableMode = true,
                FirstStage = true,
                ScalableWalkCoherency = host.ExtendedCapabilities.ScalableWalkCoherency,
                ExtendedAccessed = host.ExtendedCapabilities.ExtendedAccessed,
                AbortDma = host.ExtendedCapabilities.AbortDma,
            },
        };
    }

    private static HardwareProfile Common(HardwareProfile host, bool remapsInterrupts) => new()
    {
        Name = host.Name,
        Version = host.Version,
        Capabilities = CapabilitiesOf(host, remapsInterrupts),
        ExtendedCapabilities = new()
        {
            CoherentWalks = host.ExtendedCapabilities.CoherentWalks,
            QueuedInvalidation = host.ExtendedCapabilities.QueuedInvalidation,
            InterruptRemapping = remapsInterrupts && host.ExtendedCapabilities.InterruptRemapping,
            ExtendedInterruptMode = remapsInterrupts && host.ExtendedCapabilities.ExtendedInterruptMode,
            MaximumHandleMask = remapsInterrupts ? host.ExtendedCapabilities.MaximumHandleMask : 0,
            PassThrough = host.ExtendedCapabilities.PassThrough,
            SnoopControl = host.ExtendedCapabilities.SnoopControl,
            IotlbRegisterOffset = host.ExtendedCapabilities.IotlbRegisterOffset,
        },
        HostAddressWidth = host.HostAddressWidth,
        RightsOrder = host.RightsOrder,
        ReportsInterruptRangeRequests = host.ReportsInterruptRangeRequests,
        UpdatesWithoutSnooping = host.UpdatesWithoutSnooping,
    };

    private static CapabilityRegister CapabilitiesOf(HardwareProfile host, bool remapsInterrupts) => new()
    {
        // With caching mode software tells of entries that became present, too: nothing else would end in a trap.
        CachingMode = true,
        DomainsCode = host.Capabilities.DomainsCode,
        MaximumWidthCode = host.Capabilities.MaximumWidthCode,
        ZeroLengthRead = host.Capabilities.ZeroLengthRead,
        FaultRecordOffset = host.Capabilities.FaultRecordOffset,
        FaultRecordsCode = host.Capabilities.FaultRecordsCode,
        PageSelectiveInvalidation = host.Capabilities.PageSelectiveInvalidation,
        MaximumAddressMask = host.Capabilities.MaximumAddressMask,
        WriteDrain = host.Capabilities.WriteDrain,
        ReadDrain = host.Capabilities.ReadDrain,
        EnhancedSetInterruptPointer = remapsInterrupts && host.Capabilities.EnhancedSetInterruptPointer,
        EnhancedSetRootPointer = host.Capabilities.EnhancedSetRootPointer,
    };
}
