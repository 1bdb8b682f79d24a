using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The configuration space of one function, as the software that owns the hierarchy sees it.</summary>
/// <param name="Pci">The hierarchy.</param>
/// <param name="Source">The function, by the bus numbers of now.</param>
internal readonly record struct ConfigurationView(PciHost Pci, SourceId Source)
{
    private const int CapabilitiesMax = 48;
    private const uint NoFunction = 0xFFFF;

    /// <summary>Whether a function answers.</summary>
    public bool IsThere => Read16(PciOffset.VendorId) != NoFunction;

    /// <summary>Bits 6:0 of the header type are 1.</summary>
    public bool IsBridge => (Read8(PciOffset.HeaderType) & 0x7F) == 1;

    /// <summary>Bit 7 of the header type.</summary>
    public bool IsMultiFunction => (Read8(PciOffset.HeaderType) & 0x80) != 0;

    public byte Read8(int offset) => (byte)Pci.ReadConfiguration(Source, offset, 1);

    public ushort Read16(int offset) => (ushort)Pci.ReadConfiguration(Source, offset, 2);

    public uint Read32(int offset) => Pci.ReadConfiguration(Source, offset, 4);

    public void Write8(int offset, byte value) => Pci.WriteConfiguration(Source, offset, 1, value);

    public void Write16(int offset, ushort value) => Pci.WriteConfiguration(Source, offset, 2, value);

    public void Write32(int offset, uint value) => Pci.WriteConfiguration(Source, offset, 4, value);

    /// <summary>Sets and clears bits of the command register.</summary>
    public void Command(PciCommand set, PciCommand clear) =>
        Write16(PciOffset.Command, (ushort)(((PciCommand)Read16(PciOffset.Command) & ~clear) | set));

    /// <summary>Where a capability begins; 0 where there is none.</summary>
    public int Find(PciCapabilityId id)
    {
        foreach ((PciCapabilityId found, int offset) in Capabilities())
        {
            if (found == id)
                return offset;
        }

        return 0;
    }

    /// <summary>The capabilities in the order of the list; a list that does not end is cut.</summary>
    public IEnumerable<(PciCapabilityId Id, int Offset)> Capabilities()
    {
        if (((PciStatus)Read16(PciOffset.Status) & PciStatus.CapabilitiesList) == 0)
            yield break;
        int offset = Read8(PciOffset.CapabilityPointer) & ~3;
        for (int count = 0; count < CapabilitiesMax && offset >= PciOffset.AfterHeader; count++)
        {
            yield return ((PciCapabilityId)Read8(offset), offset);
            offset = Read8(offset + 1) & ~3;
        }
    }
}
