using Dma.Iommu;
using Dma.Iommu.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Draws accesses to registers that have no step of their own.</summary>
internal static class RegisterGenerator
{
    private const ulong InterruptAddress = 0xFEE0_0000;

    /// <summary>Steps that write a register and read it back.</summary>
    public static Gen<DifferentialStep> Probes(HardwareProfile profile)
    {
        int iotlb = RegisterOffsets.IotlbInvalidate(profile.ExtendedCapabilities);
        int record = RegisterOffsets.FaultRecord(profile.Capabilities, 0);

        // What a write would start is masked away; messages stay interrupts of fixed delivery.
        (string Name, int Offset, int Width, ulong Mask, ulong Set)[] probes =
        [
            ("VER", RegisterOffsets.Version, 4, ~0ul, 0),
            ("CAP", RegisterOffsets.Capability, 8, ~0ul, 0),
            ("ECAP", RegisterOffsets.ExtendedCapability, 8, ~0ul, 0),
            ("GSTS", RegisterOffsets.GlobalStatus, 4, ~0ul, 0),
            ("FECTL", RegisterOffsets.FaultEventControl, 4, ~0ul, 0),
            ("FECTL", RegisterOffsets.FaultEventControl, 4, 0, 0),
            ("FEDATA", RegisterOffsets.FaultEventData, 4, 0xFFFF_00FF, 0),
            ("FEADDR", RegisterOffsets.FaultEventAddress, 4, 0x000F_FFFF, InterruptAddress),
            ("FEUADDR", RegisterOffsets.FaultEventUpperAddress, 4, ~0ul, 0),
            ("IECTL", RegisterOffsets.InvalidationEventControl, 4, ~0ul, 0),
            ("IEDATA", RegisterOffsets.InvalidationEventData, 4, 0xFFFF_00FF, 0),
            ("IEADDR", RegisterOffsets.InvalidationEventAddress, 4, 0x000F_FFFF, InterruptAddress),
            ("IEUADDR", RegisterOffsets.InvalidationEventUpperAddress, 4, ~0ul, 0),
            ("ICS", RegisterOffsets.InvalidationCompletionStatus, 4, ~0ul, 0),
            ("RTADDR", RegisterOffsets.RootTableAddress, 8, ~0ul, 0),
            ("RTADDR low", RegisterOffsets.RootTableAddress, 4, ~0ul, 0),
            ("RTADDR high", RegisterOffsets.RootTableAddress + 4, 4, ~0ul, 0),
            ("CCMD", RegisterOffsets.ContextCommand, 8, ~0ul >> 1, 0),
            ("CCMD low", RegisterOffsets.ContextCommand, 4, ~0ul, 0),
            ("IOTLB", iotlb, 8, ~0ul >> 1, 0),
            ("IOTLB low", iotlb, 4, ~0ul, 0),
            ("IVA", iotlb - 8, 8, ~0ul, 0),
            ("IQH", RegisterOffsets.InvalidationQueueHead, 8, ~0ul, 0),
            ("FRCD_LO", record, 8, ~0ul, 0),
            ("FRCD_HI", record + 8, 8, ~0ul >> 1, 0),
        ];
        return from probe in Gen.Elements(probes)
               from value in Generate.Any64
               let bits = (value & probe.Mask) | probe.Set
               select (DifferentialStep)new ProbeStep(probe.Name, probe.Offset, probe.Width, probe.Width == 4 ? (uint)bits : bits);
    }

    /// <summary>Steps that read anywhere up to the fault records, but for CCMD: both are compared by other steps.</summary>
    public static Gen<DifferentialStep> Peeks(HardwareProfile profile)
    {
        int end = RegisterOffsets.FaultRecord(profile.Capabilities, 0);
        return from width in Gen.Elements(4, 8)
               from place in Gen.Choose(0, (end / width) - 1)
               where place * width / 8 * 8 != RegisterOffsets.ContextCommand
               select (DifferentialStep)new PeekStep(place * width, width);
    }
}
