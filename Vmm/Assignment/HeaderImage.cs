using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What firmware wrote into the header of a function: BARs and command register, to be put back whatever happened to them.</summary>
internal sealed class HeaderImage
{
    private const int Bars = 6;

    private readonly IConfigurationAccess _space;
    private readonly uint[] _bars = new uint[Bars];

    /// <summary>Reads them, and changes nothing.</summary>
    public HeaderImage(IConfigurationAccess space)
    {
        _space = space;
        for (int bar = 0; bar < Bars; bar++)
            _bars[bar] = space.Read32(PciOffset.Bar0 + (4 * bar));
    }

    /// <summary>Puts the BARs back, and lets the function decode memory and nothing more.</summary>
    public void Restore()
    {
        for (int bar = 0; bar < Bars; bar++)
            _space.Write32(PciOffset.Bar0 + (4 * bar), _bars[bar]);
        _space.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.InterruptDisable));
    }
}
