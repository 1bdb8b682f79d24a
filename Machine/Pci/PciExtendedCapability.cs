namespace Dma.Machine;

/// <summary>A capability in the extended configuration space of a PCI Express function (PCI Express base, 7.6.3).</summary>
public abstract class PciExtendedCapability : PciCapability
{
    /// <summary>A capability that the function will place at 100h or above.</summary>
    /// <param name="id">What it is; 16 bits.</param>
    /// <param name="version">The version of its layout, 1 to 15.</param>
    /// <param name="length">Bytes, its four header bytes included.</param>
    protected PciExtendedCapability(int id, int version, int length)
        : base(id, length, isExtended: true) => Version = version;

    /// <inheritdoc cref="PciExtendedCapability(int, int, int)"/>
    protected PciExtendedCapability(PciExtendedCapabilityId id, int version, int length)
        : this((int)id, version, length)
    {
    }

    /// <summary>The version of its layout.</summary>
    public int Version { get; }
}
