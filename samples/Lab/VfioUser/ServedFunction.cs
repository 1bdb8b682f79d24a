using Dma.Hal;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The function that is served, in the hands of the server's software: what it is, and what is done to it for a client.</summary>
internal sealed class ServedFunction
{
    private const ushort MsixEnable = 1 << 15;
    private const int MsixEntryBytes = 16;

    private readonly SystemBus _bus;
    private readonly PciFunction _function;
    private readonly PciMsi? _msi;
    private readonly int _msix;
    private PciCommand _command;

    /// <summary>Looks at a function that firmware has given its places.</summary>
    public ServedFunction(VfioUserMachine machine, PciFunction function)
    {
        _bus = machine.Bus;
        _function = function;
        Space = machine.Configuration().Open(VfioUserMachine.Place);
        Identity = PciScan.IdentityOf(Space);
        Bars = [.. PciBarSizing.Read(Space, VfioUserMachine.Place).Where(bar => bar.Kind == PciBarKind.Memory)];
        Capabilities = PciCapabilityList.Read(Space, VfioUserMachine.Place);
        _msi = PciMsi.TryFind(Space, VfioUserMachine.Place, Capabilities);
        _msix = Find(PciCapabilityId.Msix);
        Pin = Space.Read8(PciOffset.InterruptPin);
        MsiVectors = _msi?.VectorCount ?? 0;
        MsixVectors = _msix == 0 ? 0 : (Space.Read16(_msix + 2) & 0x7FF) + 1;
        MsixTable = _msix == 0 ? default : Split(Space.Read32(_msix + 4));
        MsixPending = _msix == 0 ? default : Split(Space.Read32(_msix + 8));
        SetCommand(PciCommand.None);
    }

    /// <summary>Its configuration space.</summary>
    public IConfigurationAccess Space { get; }

    /// <summary>What it says it is.</summary>
    public PciIdentity Identity { get; }

    /// <summary>Its memory BARs, at the places that firmware gave them.</summary>
    public IReadOnlyList<PciBarInfo> Bars { get; }

    /// <summary>Its capabilities, in the order of the list.</summary>
    public IReadOnlyList<(PciCapabilityId Id, int Offset)> Capabilities { get; }

    /// <summary>Its INTx pin, 1 to 4; 0 where it has none.</summary>
    public int Pin { get; }

    /// <summary>How many vectors its MSI has; 0 where it has none.</summary>
    public int MsiVectors { get; }

    /// <summary>How many vectors its MSI-X has; 0 where it has none.</summary>
    public int MsixVectors { get; }

    /// <summary>Where its MSI-X table is: BAR and offset.</summary>
    public (int Bar, ulong Offset) MsixTable { get; }

    /// <summary>Where its MSI-X pending bits are: BAR and offset.</summary>
    public (int Bar, ulong Offset) MsixPending { get; }

    /// <summary>What else is put back after a reset.</summary>
    public Action AfterReset { get; set; } = static () => { };

    /// <summary>Bytes of a BAR; 0 where there is none.</summary>
    public ulong BarLength(int bar) => TryFindBar(bar, out PciBarInfo found) ? found.Length : 0;

    /// <summary>A read behind a BAR.</summary>
    public ulong ReadBar(int bar, ulong offset, int width) =>
        TryFindBar(bar, out PciBarInfo found) ? _bus.Load(new(found.Address.Value + offset), width) : RegisterFile.AllOnes(width);

    /// <summary>A write behind a BAR.</summary>
    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (TryFindBar(bar, out PciBarInfo found))
            _bus.Store(new(found.Address.Value + offset), width, value);
    }

    /// <summary>Lets its requests and its INTx out as a client says; its registers always answer to the server.</summary>
    public void SetCommand(PciCommand client)
    {
        _command = (client & (PciCommand.BusMaster | PciCommand.InterruptDisable)) | PciCommand.MemorySpace;
        Space.Write16(PciOffset.Command, (ushort)_command);
    }

    /// <summary>Resets it, and puts back what the server has in it: BARs, command register, and messages where they are on.</summary>
    public void Reset()
    {
        _function.ResetFunction();
        foreach (PciBarInfo bar in Bars)
        {
            int offset = PciOffset.Bar0 + (4 * bar.Index);
            Space.Write32(offset, (uint)bar.Address.Value);
            if (bar.Is64Bit)
                Space.Write32(offset + 4, (uint)(bar.Address.Value >> 32));
        }

        Space.Write16(PciOffset.Command, (ushort)_command);
        AfterReset();
    }

    /// <summary>Turns MSI off, or on with a message to whose data it adds the number of the vector.</summary>
    public void SetMsi(MessageInterrupt? message)
    {
        if (message is { } target)
            _msi?.TurnOn(target, allVectors: true);
        else
            _msi?.TurnOff();
    }

    /// <summary>Turns MSI-X off, or on with a message for each vector.</summary>
    public void SetMsix(Func<int, MessageInterrupt>? messageOf)
    {
        Space.Write16(_msix + 2, 0);
        if (messageOf is null)
            return;
        for (int vector = 0; vector < MsixVectors; vector++)
        {
            ulong entry = MsixTable.Offset + (ulong)(vector * MsixEntryBytes);
            MessageInterrupt message = messageOf(vector);
            WriteBar(MsixTable.Bar, entry, 4, (uint)message.Address);
            WriteBar(MsixTable.Bar, entry + 4, 4, message.Address >> 32);
            WriteBar(MsixTable.Bar, entry + 8, 4, message.Data);
            WriteBar(MsixTable.Bar, entry + 12, 4, 0);
        }

        Space.Write16(_msix + 2, MsixEnable);
    }

    // Bits 2:0 name the BAR, the others are the offset.
    private static (int Bar, ulong Offset) Split(uint register) => ((int)(register & 7), register & ~7u);

    private int Find(PciCapabilityId id) => Capabilities.FirstOrDefault(capability => capability.Id == id).Offset;

    private bool TryFindBar(int index, out PciBarInfo found)
    {
        foreach (PciBarInfo bar in Bars)
        {
            found = bar;
            if (bar.Index == index)
                return true;
        }

        found = default;
        return false;
    }
}
