using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device of the host in the hands of the VMM: what it is, and what the VMM does to it for its guest.</summary>
internal sealed class RealFunction
{
    private const int ExpressLength = 0x3C;
    private const int MsixLength = 12;
    private const int PowerManagementId = 0x01;
    private const int PowerManagementLength = 8;
    private const ushort MsiEnable = 1;
    private const ushort MsiIs64Bit = 1 << 7;
    private const ushort MsiHasMask = 1 << 8;

    private readonly SystemBus _bus;
    private MessageInterrupt? _message;

    public RealFunction(Host host, SourceId source)
    {
        _bus = host.Bus;
        View = new(host.Pci, source);
        Identity = new(
            View.Read16(PciOffset.VendorId),
            View.Read16(PciOffset.DeviceId),
            View.Read32(PciOffset.Revision) >> 8,
            View.Read8(PciOffset.Revision),
            View.Read16(PciOffset.SubsystemVendorId),
            View.Read16(PciOffset.SubsystemId));
        Bars = BarShape.Read(View);
        HasFunctionLevelReset = DeviceReset.HasFunctionLevelReset(View);
    }

    /// <summary>Its configuration space.</summary>
    public ConfigurationView View { get; }

    /// <summary>What it says it is.</summary>
    public PciIdentity Identity { get; }

    /// <summary>Its memory BARs, at the places that firmware gave them.</summary>
    public IReadOnlyList<BarShape> Bars { get; }

    /// <summary>Whether it can be reset by itself.</summary>
    public bool HasFunctionLevelReset { get; }

    /// <summary>Whether it can send interrupt messages of the kind that is passed on to guests.</summary>
    public bool HasMessages => View.Find(PciCapabilityId.Msi) != 0;

    /// <summary>A read behind a BAR for the guest.</summary>
    public ulong ReadBar(int bar, ulong offset, int width) =>
        AddressOf(bar) is { } address ? _bus.Load(address + offset, width) : RegisterFile.AllOnes(width);

    /// <summary>A write behind a BAR for the guest.</summary>
    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (AddressOf(bar) is { } address)
            _bus.Store(address + offset, width, value);
    }

    /// <summary>Lets its requests out, or holds them.</summary>
    public void SetBusMaster(bool on) =>
        View.Command(on ? PciCommand.BusMaster : 0, on ? 0 : PciCommand.BusMaster);

    /// <summary>Puts back what a reset took: BARs where firmware had them, its message to the host, memory space on, not bus master.</summary>
    public void Restore()
    {
        SetBusMaster(false);
        foreach (BarShape bar in Bars)
        {
            View.Write32(bar.Offset, (uint)bar.Address);
            if (bar.Is64Bit)
                View.Write32(bar.Offset + 4, (uint)(bar.Address >> 32));
        }

        View.Command(PciCommand.MemorySpace | PciCommand.InterruptDisable, 0);
        SendTo(_message);
    }

    /// <summary>The guest resets its device.</summary>
    public void ResetForGuest()
    {
        SetBusMaster(false);
        if (HasFunctionLevelReset)
            DeviceReset.Initiate(View);
        Restore();
    }

    /// <summary>Decides where its interrupt message goes on the host; null for nowhere.</summary>
    public void SendTo(MessageInterrupt? message)
    {
        _message = message;
        int offset = View.Find(PciCapabilityId.Msi);
        if (offset == 0)
            return;
        ushort control = View.Read16(offset + 2);
        View.Write16(offset + 2, (ushort)(control & ~(MsiEnable | (7 << 4))));
        if (message is not { } target)
            return;
        bool is64Bit = (control & MsiIs64Bit) != 0;
        int data = offset + (is64Bit ? 12 : 8);
        View.Write32(offset + 4, (uint)target.Address);
        if (is64Bit)
            View.Write32(offset + 8, (uint)(target.Address >> 32));
        View.Write16(data, (ushort)target.Data);
        if ((control & MsiHasMask) != 0)
            View.Write32(data + 4, 0);
        View.Write16(offset + 2, (ushort)((control & ~(7 << 4)) | MsiEnable));
    }

    /// <summary>Bytes of a capability; of one that is not known, all until the next one.</summary>
    public int LengthOf(PciCapabilityId id, int offset)
    {
        switch (id)
        {
            case PciCapabilityId.Msi:
                ushort control = View.Read16(offset + 2);
                return ((control & MsiIs64Bit) != 0 ? 14 : 10) + ((control & MsiHasMask) != 0 ? 10 : 0);
            case PciCapabilityId.PciExpress:
                return ExpressLength;
            case PciCapabilityId.Msix:
                return MsixLength;
            case PciCapabilityId.VendorSpecific:
                return Math.Max(3, (int)View.Read8(offset + 2));
            case (PciCapabilityId)PowerManagementId:
                return PowerManagementLength;
            default:
                return View.Capabilities().Select(other => other.Offset).Where(other => other > offset).DefaultIfEmpty(PciOffset.Extended).Min() - offset;
        }
    }

    private PhysicalAddress? AddressOf(int bar)
    {
        foreach (BarShape shape in Bars)
        {
            if (shape.Index == bar)
                return new(shape.Address);
        }

        return null;
    }
}
