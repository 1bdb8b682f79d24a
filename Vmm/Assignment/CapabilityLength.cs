using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>How many bytes of configuration space a capability takes.</summary>
internal static class CapabilityLength
{
    /// <summary>PCI Express, version 2 of its layout.</summary>
    public const int Express = 0x3C;

    private const int Msix = 12;
    private const int PowerManagement = 8;
    private const PciCapabilityId PowerManagementId = (PciCapabilityId)0x01;
    private const ushort MsiIs64Bit = 1 << 7;
    private const ushort MsiHasMask = 1 << 8;

    /// <summary>The length of one capability; of one that is not known, all until the next one.</summary>
    /// <param name="function">The function.</param>
    /// <param name="id">What it is.</param>
    /// <param name="offset">Where it begins.</param>
    public static int Of(RealFunction function, PciCapabilityId id, int offset)
    {
        switch (id)
        {
            case PciCapabilityId.Msi:
                ushort control = function.Space.Read16(offset + 2);
                return ((control & MsiIs64Bit) != 0 ? 14 : 10) + ((control & MsiHasMask) != 0 ? 10 : 0);
            case PciCapabilityId.PciExpress:
                return Express;
            case PciCapabilityId.Msix:
                return Msix;
            case PciCapabilityId.VendorSpecific:
                return Math.Max(3, (int)function.Space.Read8(offset + 2));
            case PowerManagementId:
                return PowerManagement;
            default:
                return function.Capabilities.Select(other => other.Offset).Where(other => other > offset).DefaultIfEmpty(PciOffset.Extended).Min() - offset;
        }
    }
}
