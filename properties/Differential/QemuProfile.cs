using Dma.Iommu;
using Dma.Iommu.Spec;

namespace Dma.Properties;

/// <summary>Our unit with the registers of QEMU's, and with its choices where the manual leaves one.</summary>
internal static class QemuProfile
{
    public static HardwareProfile Of(QemuMachine machine, string properties)
    {
        ulong[] registers = machine.ReadRegisters(
            (RegisterOffsets.Version, 4), (RegisterOffsets.Capability, 8), (RegisterOffsets.ExtendedCapability, 8));
        int hostAddressWidth = properties.Contains("aw-bits=39", StringComparison.Ordinal) ? 39 : 48;
        return HardwareProfile.From(new(new(registers[0])), new(new(registers[1])), new(new(registers[2])), hostAddressWidth) with
        {
            IotlbSets = 1024,
            IotlbWays = 1,
            RewalksBeforeRefusal = false,
            RightsOrder = RightsOrder.AtEachLevel,
            CollapsesFaults = true,
            ReportsInterruptRangeRequests = false,
        };
    }
}
