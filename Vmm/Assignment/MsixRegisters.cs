using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Where a function has the table and the pending bits of MSI-X (PCI Express base, 7.7.2).</summary>
internal static class MsixRegisters
{
    private const int Control = 2;
    private const int Table = 4;
    private const int Pending = 8;
    private const int VectorsMask = 0x7FF;
    private const int BarMask = 7;
    private const ulong EntryBytes = 16;
    private const ulong WordBytes = 8;
    private const ulong WordBits = 64;

    /// <summary>The two stretches: bar, first byte, length; none where it has no MSI-X.</summary>
    /// <param name="space">The configuration space of the function.</param>
    /// <param name="location">Where it is, for messages.</param>
    /// <param name="capabilities">Its capabilities.</param>
    /// <exception cref="DeviceException">The capability goes on beyond the first 256 bytes.</exception>
    public static IReadOnlyList<(int Bar, ulong First, ulong Length)> Find(
        IConfigurationAccess space, SourceId location, IReadOnlyList<(PciCapabilityId Id, int Offset)> capabilities)
    {
        int at = capabilities.FirstOrDefault(capability => capability.Id == PciCapabilityId.Msix).Offset;
        if (at == 0)
            return [];
        PciCapabilityList.CheckRoom(location, PciCapabilityId.Msix, at, 12);
        ulong vectors = (ulong)(space.Read16(at + Control) & VectorsMask) + 1;
        uint table = space.Read32(at + Table);
        uint pending = space.Read32(at + Pending);
        return
        [
            ((int)table & BarMask, table & ~(uint)BarMask, vectors * EntryBytes),
            ((int)pending & BarMask, pending & ~(uint)BarMask, (vectors + WordBits - 1) / WordBits * WordBytes),
        ];
    }
}
