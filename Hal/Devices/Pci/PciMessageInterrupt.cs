using Dma.Machine;

namespace Dma.Hal;

/// <summary>The message-signalled interrupt of a function, its first vector routed to a processor (PCI, MSI and MSI-X capabilities).</summary>
internal sealed class PciMessageInterrupt : IInterruptLine
{
    private const int Control = 2;

    private const ushort MsiEnable = 1 << 0;
    private const ushort MsiVectorsEnabled = 7 << 4;
    private const ushort Msi64Bit = 1 << 7;
    private const ushort MsiMaskable = 1 << 8;
    private const int MsiAddress = 4;
    private const int MsiUpperAddress = 8;
    private const int MsiData = 8;
    private const int MsiData64 = 12;

    private const ushort MsixEnable = 1 << 15;
    private const ushort MsixFunctionMask = 1 << 14;
    private const int MsixTable = 4;
    private const uint MsixBarMask = 7;
    private const int MsixEntryBytes = 16;
    private const int MsixLength = 12;

    private readonly ICpu _cpu;
    private readonly IConfigurationAccess _configuration;
    private readonly int _capability;
    private readonly RegisterWindow? _table;
    private readonly MessageInterrupt _message;

    // Taken at once: a message that comes before anyone waits must find it.
    private readonly Signal _signal;

    private PciMessageInterrupt(ICpu cpu, IConfigurationAccess configuration, int capability, RegisterWindow? table, byte vector, MessageInterrupt message)
    {
        _cpu = cpu;
        _configuration = configuration;
        _capability = capability;
        _table = table;
        _message = message;
        _signal = cpu.Vector(vector);
    }

    /// <summary>The interrupt of a function, by MSI, or by MSI-X where it has only that.</summary>
    /// <exception cref="DeviceException">It has neither, or the capability is malformed.</exception>
    public static PciMessageInterrupt Find(
        ICpu cpu, IConfigurationAccess configuration, SourceId location, IReadOnlyList<PciBarInfo> bars, byte vector, MessageInterrupt message)
    {
        int msi = PciCapabilityList.Find(configuration, location, PciCapabilityId.Msi);
        if (msi != 0)
        {
            PciCapabilityList.CheckRoom(location, PciCapabilityId.Msi, msi, MsiLength(configuration.Read16(msi + Control)));
            return new(cpu, configuration, msi, table: null, vector, message);
        }

        int msix = PciCapabilityList.Find(configuration, location, PciCapabilityId.Msix);
        if (msix != 0)
        {
            PciCapabilityList.CheckRoom(location, PciCapabilityId.Msix, msix, MsixLength);
            return new(cpu, configuration, msix, FindTable(cpu, configuration, location, bars, msix), vector, message);
        }

        throw new DeviceException($"The device at {location} has neither MSI nor MSI-X, and interrupts of other kinds are not routed.");
    }

    /// <inheritdoc/>
    public ValueTask<bool> Wait(ulong timeoutNs) => _cpu.Processor.Wait(_signal, timeoutNs);

    /// <summary>Routes the first vector to the processor and lets it through; the others stay off.</summary>
    public void TurnOn()
    {
        if (_table is null)
            TurnOnMsi(_message);
        else
            TurnOnMsix(_table, _message);
    }

    /// <summary>Sends no more messages.</summary>
    public void TurnOff()
    {
        ushort enable = _table is null ? MsiEnable : MsixEnable;
        _configuration.Write16(_capability + Control, (ushort)(_configuration.Read16(_capability + Control) & ~enable));
    }

    private static int MsiLength(ushort control) => 10 + ((control & Msi64Bit) != 0 ? 4 : 0) + ((control & MsiMaskable) != 0 ? 10 : 0);

    private static RegisterWindow FindTable(
        ICpu cpu, IConfigurationAccess configuration, SourceId location, IReadOnlyList<PciBarInfo> bars, int capability)
    {
        uint place = configuration.Read32(capability + MsixTable);
        int index = (int)(place & MsixBarMask);
        ulong offset = place & ~MsixBarMask;
        foreach (PciBarInfo bar in bars)
        {
            if (bar.Index == index && bar.Kind == PciBarKind.Memory && bar.Address.Value != 0 && offset <= bar.Length - MsixEntryBytes)
                return new(cpu, bar.Address + offset, MsixEntryBytes);
        }

        throw new DeviceException($"The MSI-X table of {location} would be at {offset:X}h behind BAR {index}, where there is no window that could hold it.");
    }

    private void TurnOnMsi(MessageInterrupt message)
    {
        // Off while address and data change; one vector, whatever the function could have.
        ushort control = (ushort)(_configuration.Read16(_capability + Control) & ~(MsiEnable | MsiVectorsEnabled));
        _configuration.Write16(_capability + Control, control);
        _configuration.Write32(_capability + MsiAddress, (uint)message.Address);
        bool is64Bit = (control & Msi64Bit) != 0;
        if (is64Bit)
            _configuration.Write32(_capability + MsiUpperAddress, (uint)(message.Address >> 32));
        int data = _capability + (is64Bit ? MsiData64 : MsiData);
        _configuration.Write16(data, (ushort)message.Data);
        if ((control & MsiMaskable) != 0)
            _configuration.Write32(data + 4, 0);
        _configuration.Write16(_capability + Control, (ushort)(control | MsiEnable));
    }

    private void TurnOnMsix(RegisterWindow table, MessageInterrupt message)
    {
        ushort control = (ushort)(_configuration.Read16(_capability + Control) & ~MsixFunctionMask);
        _configuration.Write16(_capability + Control, (ushort)(control | MsixEnable | MsixFunctionMask));
        table.Write32(0, (uint)message.Address);
        table.Write32(4, (uint)(message.Address >> 32));
        table.Write32(8, message.Data);
        table.Write32(12, 0);
        _configuration.Write16(_capability + Control, (ushort)(control | MsixEnable));
    }
}
