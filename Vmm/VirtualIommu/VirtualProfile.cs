using Dma.Iommu;

namespace Dma.Vmm;

/// <summary>Which remapping unit a guest is shown: never more than the host has, and not what the VMM does not follow.</summary>
internal static class VirtualProfile
{
    /// <summary>A unit whose second stage the VMM shadows: legacy mode, with caching mode, so that each change is told.</summary>
    /// <param name="host">The unit of the host.</param>
    /// <param name="remapsInterrupts">Whether it may remap interrupts.</param>
    public static HardwareProfile Shadow(HardwareProfile host, bool remapsInterrupts) => new()
    {
        Name = $"{host.Name}, shadow",
        Version = host.Version,
        Capabilities = new()
        {
            // With caching mode software tells of entries that became present, too: nothing else would end in a trap.
            CachingMode = true,
            DomainsCode = host.Capabilities.DomainsCode,
            SupportedWidths = host.Capabilities.SupportedWidths & 0b01110,
            MaximumWidthCode = host.Capabilities.MaximumWidthCode,
            ZeroLengthRead = host.Capabilities.ZeroLengthRead,
            FaultRecordOffset = host.Capabilities.FaultRecordOffset,
            FaultRecordsCode = host.Capabilities.FaultRecordsCode,
            SecondStage2M = host.Capabilities.SecondStage2M,
            SecondStage1G = host.Capabilities.SecondStage1G,
            PageSelectiveInvalidation = host.Capabilities.PageSelectiveInvalidation,
            MaximumAddressMask = host.Capabilities.MaximumAddressMask,
            WriteDrain = host.Capabilities.WriteDrain,
            ReadDrain = host.Capabilities.ReadDrain,
            EnhancedSetInterruptPointer = remapsInterrupts && host.Capabilities.EnhancedSetInterruptPointer,
            EnhancedSetRootPointer = host.Capabilities.EnhancedSetRootPointer,
        },
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
    };
}
