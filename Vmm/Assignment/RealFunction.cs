using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>A device of the host in the hands of the VMM: what it is, and what the VMM does to it for its guest.</summary>
internal sealed class RealFunction
{
    private readonly SystemBus _bus;
    private readonly HeaderImage _header;
    private readonly PciMsi? _msi;
    private MessageInterrupt? _message;
    private uint _pageRequests;

    /// <summary>Looks at a device that no driver of the host has.</summary>
    /// <param name="host">The host.</param>
    /// <param name="source">The device.</param>
    /// <param name="header">Its header as firmware left it.</param>
    /// <exception cref="DeviceException">Its configuration space is malformed.</exception>
    public RealFunction(Host host, SourceId source, HeaderImage header)
    {
        (_bus, _header) = (host.Bus, header);
        Space = host.Configuration.Open(source);
        Identity = PciScan.IdentityOf(Space);
        Bars = [.. PciBarSizing.Read(Space, source).Where(bar => bar.Kind == PciBarKind.Memory)];
        Capabilities = PciCapabilityList.Read(Space, source);
        Reset = DeviceReset.TryFind(host, source) ?? throw new DeviceException($"{source} cannot be reset.");
        DeviceTlb = DeviceTlbControl.TryFind(Space, source);
        Requests = new(host.Cpu, Space, source);
        HostRegisters = MsixRegisters.Find(Space, source, Capabilities);
        _msi = PciMsi.TryFind(Space, source, Capabilities);
    }

    /// <summary>Its configuration space.</summary>
    public IConfigurationAccess Space { get; }

    /// <summary>What it says it is.</summary>
    public PciIdentity Identity { get; }

    /// <summary>Its memory BARs, at the places that firmware gave them.</summary>
    public IReadOnlyList<PciBarInfo> Bars { get; }

    /// <summary>Registers behind its BARs that are the host's alone: bar, first byte, length.</summary>
    public IReadOnlyList<(int Bar, ulong First, ulong Length)> HostRegisters { get; }

    /// <summary>Its capabilities.</summary>
    public IReadOnlyList<(PciCapabilityId Id, int Offset)> Capabilities { get; }

    /// <summary>The way to reset it.</summary>
    public DeviceReset Reset { get; }

    /// <summary>Its ATS capability, which the host alone turns on; null where it has none.</summary>
    public DeviceTlbControl? DeviceTlb { get; }

    /// <summary>Its PASID and page request capabilities, which the host alone turns on.</summary>
    public PciPageRequests Requests { get; }

    /// <summary>Whether it can send interrupt messages of the kind that is passed on to guests.</summary>
    public bool HasMessages => _msi is not null;

    /// <summary>A read behind a BAR for the guest.</summary>
    public ulong ReadBar(int bar, ulong offset, int width) =>
        TryFindBar(bar, out PciBarInfo found) ? _bus.Load(new(found.Address.Value + offset), width) : RegisterFile.AllOnes(width);

    /// <summary>A write behind a BAR for the guest.</summary>
    public void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (TryFindBar(bar, out PciBarInfo found))
            _bus.Store(new(found.Address.Value + offset), width, value);
    }

    /// <summary>Lets its requests out, or holds them.</summary>
    public void SetBusMaster(bool on)
    {
        PciCommand command = (PciCommand)Space.Read16(PciOffset.Command);
        Space.Write16(PciOffset.Command, (ushort)(on ? command | PciCommand.BusMaster : command & ~PciCommand.BusMaster));
    }

    /// <summary>Puts back what a reset took: BARs where firmware had them, its message to the host, ATS and page requests if the host had them on, memory space on, not bus master.</summary>
    public void Restore()
    {
        _header.Restore();
        SendTo(_message);
        if (_pageRequests != 0)
            Requests.EnablePasids();
        DeviceTlb?.Restore();
        if (_pageRequests != 0)
            Requests.Enable(_pageRequests);
    }

    /// <summary>Lets it ask for pages, so many at a time, from now on and after each reset; 0 to ask for none after the next one.</summary>
    public void AllowRequests(uint pageRequests)
    {
        _pageRequests = pageRequests;
        if (pageRequests != 0)
            Requests.Enable(pageRequests);
    }

    /// <summary>The guest resets its device, and waits for it.</summary>
    public void ResetForGuest()
    {
        SetBusMaster(false);
        Reset.Initiate();
        Restore();
    }

    /// <summary>Decides where its interrupt message goes on the host; null for nowhere.</summary>
    public void SendTo(MessageInterrupt? message)
    {
        _message = message;
        if (message is { } target)
            _msi?.TurnOn(target);
        else
            _msi?.TurnOff();
    }

    /// <summary>Holds its interrupt back, or lets it go: what came meanwhile is sent then. Nothing happens where it cannot be masked.</summary>
    public void MaskMessages(bool on) => _msi?.Mask(on);

    private bool TryFindBar(int index, out PciBarInfo found)
    {
        for (int place = 0; place < Bars.Count; place++)
        {
            found = Bars[place];
            if (found.Index == index)
                return true;
        }

        found = default;
        return false;
    }
}
