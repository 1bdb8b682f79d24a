using Dma.Machine;

namespace Dma.Hal;

/// <summary>The first vector of the MSI-X capability of a function, as software turns it on and off (PCI Local Bus 3.0, 6.8.2).</summary>
internal sealed class PciMsixVector
{
    private const int Control = 2;
    private const int TablePlace = 4;
    private const ushort Enable = 1 << 15;
    private const ushort FunctionMask = 1 << 14;
    private const uint BarMask = 7;
    private const int EntryBytes = 16;
    private const int CapabilityBytes = 12;

    private readonly IConfigurationAccess _configuration;
    private readonly int _capability;
    private readonly RegisterWindow _entry;

    private PciMsixVector(IConfigurationAccess configuration, int capability, RegisterWindow entry) =>
        (_configuration, _capability, _entry) = (configuration, capability, entry);

    /// <summary>The vector of a function; null where it has no MSI-X.</summary>
    /// <exception cref="DeviceException">The capability is malformed, or its table is behind no BAR.</exception>
    public static PciMsixVector? TryFind(
        ICpu cpu, IConfigurationAccess configuration, SourceId location, IReadOnlyList<(PciCapabilityId Id, int Offset)> capabilities, IReadOnlyList<PciBarInfo> bars)
    {
        int at = capabilities.FirstOrDefault(static capability => capability.Id == PciCapabilityId.Msix).Offset;
        if (at == 0)
            return null;
        PciCapabilityList.CheckRoom(location, PciCapabilityId.Msix, at, CapabilityBytes);
        uint place = configuration.Read32(at + TablePlace);
        int index = (int)(place & BarMask);
        ulong offset = place & ~BarMask;
        foreach (PciBarInfo bar in bars)
        {
            if (bar.Index == index && bar.Kind == PciBarKind.Memory && bar.Address.Value != 0 && offset <= bar.Length - EntryBytes)
                return new(configuration, at, new(cpu, bar.Address + offset, EntryBytes));
        }

        throw new DeviceException($"The MSI-X table of {location} would be at {offset:X}h behind BAR {index}, where there is no window that could hold it.");
    }

    /// <summary>Sends a message from now on.</summary>
    public void TurnOn(MessageInterrupt message)
    {
        // All vectors are held back while the entry changes.
        ushort control = (ushort)(_configuration.Read16(_capability + Control) & ~FunctionMask);
        _configuration.Write16(_capability + Control, (ushort)(control | Enable | FunctionMask));
        _entry.Write32(0, (uint)message.Address);
        _entry.Write32(4, (uint)(message.Address >> 32));
        _entry.Write32(8, message.Data);
        _entry.Write32(12, 0);
        _configuration.Write16(_capability + Control, (ushort)(control | Enable));
    }

    /// <summary>Sends no more messages.</summary>
    public void TurnOff() =>
        _configuration.Write16(_capability + Control, (ushort)(_configuration.Read16(_capability + Control) & ~Enable));
}
