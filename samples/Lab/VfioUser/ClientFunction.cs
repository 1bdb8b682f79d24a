using Dma.Hal;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The configuration space that a client sees.</summary>
/// <remarks>
/// It is that of a function of its own, as in a VM: header and BARs, MSI, MSI-X and PCI Express are virtual, because where
/// the registers are and where interrupts go on this machine is no business of the client; other capabilities are
/// hidden. Two bits of the command register reach the device, bus master and interrupt disable, and so do registers of
/// the device itself, from 40h on. What a client writes into MSI and MSI-X has no effect: it assigns events instead.
/// </remarks>
internal sealed class ClientFunction : PciFunction
{
    private const int DwordBytes = 4;
    private const ushort MsiIs64Bit = 1 << 7;
    private const ushort MsiHasMask = 1 << 8;

    private readonly ServedFunction _served;
    private readonly bool[] _isOwn = new bool[PciOffset.Extended / DwordBytes];

    /// <summary>What the next client sees.</summary>
    public ClientFunction(ServedFunction served)
        : base(served.Identity)
    {
        _served = served;
        foreach (PciBarInfo bar in served.Bars)
            AddMemoryBar(bar.Index, bar.Length, bar.Is64Bit, bar.Prefetchable);
        if (served.Pin != 0)
            AddInterruptPin(served.Pin);
        Array.Fill(_isOwn, true, PciOffset.AfterHeader / DwordBytes, _isOwn.Length - (PciOffset.AfterHeader / DwordBytes));
        foreach ((PciCapabilityId id, int offset) in served.Capabilities)
            Add(id, offset);
        for (int offset = PciOffset.AfterHeader; offset < PciOffset.Extended; offset += DwordBytes)
        {
            if (_isOwn[offset / DwordBytes])
                AddRegister(new(offset, DwordBytes, $"DEV{offset:X2}", new(served.Space.Read32(offset), Writable: uint.MaxValue)));
        }
    }

    /// <summary>Reads 1, 2 or 4 bytes, naturally aligned.</summary>
    public uint Read(int offset, int width)
    {
        // What the device changed by itself is seen at once.
        int dword = offset & ~(DwordBytes - 1);
        if (dword < PciOffset.Extended && _isOwn[dword / DwordBytes])
            SetRegister(dword, _served.Space.Read32(dword));
        return Configuration.Read(offset, width);
    }

    /// <summary>Shows in the status register whether the device wants its INTx interrupt.</summary>
    public void ShowInterrupt(bool isWanted) => SetInterruptLevel(isWanted);

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _served.ReadBar(bar, offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _served.WriteBar(bar, offset, width, value);

    /// <inheritdoc/>
    protected override void OnReset() => _served.Reset();

    /// <inheritdoc/>
    protected override void OnRefresh() => _served.SetCommand(Command);

    /// <inheritdoc/>
    protected override void ConfigurationWritten(in RegisterWrite write)
    {
        // In one access, or byte by byte where an odd part was written.
        if (write.EnabledBytes == uint.MaxValue)
        {
            _served.Space.Write32(write.Offset, (uint)write.Written);
            return;
        }

        for (int at = 0; at < DwordBytes; at++)
        {
            if ((byte)(write.EnabledBytes >> (8 * at)) != 0)
                _served.Space.Write8(write.Offset + at, (byte)(write.Written >> (8 * at)));
        }
    }

    private void Add(PciCapabilityId id, int offset)
    {
        PciCapability? capability = null;
        switch (id)
        {
            case PciCapabilityId.Msi:
                ushort control = _served.Space.Read16(offset + 2);
                capability = new MsiCapability(_served.MsiVectors, (control & MsiIs64Bit) != 0, (control & MsiHasMask) != 0);
                break;
            case PciCapabilityId.Msix when _served.MsixTable.Bar == _served.MsixPending.Bar:
                capability = new MsixCapability(_served.MsixVectors, _served.MsixTable.Bar, _served.MsixTable.Offset, _served.MsixPending.Offset);
                break;
            case PciCapabilityId.PciExpress:
                capability = new PciExpressCapability(PciExpressType.RootComplexEndpoint);
                break;
        }

        if (capability is not null)
            _ = AddCapability(capability, offset);
        int end = _served.Capabilities.Select(other => other.Offset).Where(other => other > offset).DefaultIfEmpty(PciOffset.Extended).Min();
        int length = capability?.Length ?? end - offset;
        Array.Fill(_isOwn, false, offset / DwordBytes, Math.Min((length + DwordBytes - 1) / DwordBytes, _isOwn.Length - (offset / DwordBytes)));
    }
}
