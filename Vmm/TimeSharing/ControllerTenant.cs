using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One VM that has a controller in turns: what it sees of it, what the controller may reach for it, and its state region.</summary>
/// <remarks>
/// <code>
///   Image     no turn       reads and writes exit, and find the image
///   Overlaid  its turn      they exit, and find the controller, with what USBSTS cannot be made to show again
///   Mapped    its turn      they do not exit
/// </code>
/// The region is a frame of the VM that neither its processor nor its devices reach: what is loaded is what was saved.
/// </remarks>
internal sealed class ControllerTenant : IGuestDevice, IGuestService
{
    private readonly TimeSharedController _sharing;
    private readonly Host _host;
    private readonly RealFunction _real;
    private readonly GatedEhci _hardware;
    private readonly Action _woken;
    private readonly InterruptForwarder _forwarder;
    private readonly TenantParts _parts;
    private uint _overlay;
    private bool _hasTurn;

    private ControllerTenant(
        TimeSharedController sharing, VirtualMachine machine, GatedEhci hardware, RealFunction real, uint ports, TenantParts parts, Action woken)
    {
        (_sharing, Machine, _host, _real, _hardware, _parts, _woken) = (sharing, machine, machine.Host, real, hardware, parts, woken);
        Image = new(hardware, _host.Loop, ports, () => Function?.Interrupt());
        Function = new(real, hardware, machine.Memory, this);
        _forwarder = new(Function.Interrupt, machine, parts.Signal);
        Mappings = new(machine, parts.Domain);
    }

    /// <summary>The VM.</summary>
    public VirtualMachine Machine { get; }

    /// <inheritdoc/>
    public SourceId GuestAddress { get; private set; }

    /// <inheritdoc/>
    public DmaMappings? Mappings { get; }

    /// <summary>What the controller may reach during its turns.</summary>
    public RemappingDomain Domain => _parts.Domain;

    /// <summary>What the guest sees.</summary>
    public TimeSharedFunction Function { get; }

    /// <summary>Its registers while it has no turn.</summary>
    public EhciImage Image { get; }

    /// <summary>What raises its interrupt on the host.</summary>
    public MessageInterrupt Vector => _parts.Vector;

    /// <summary>How many interrupts of the controller were passed on.</summary>
    public ulong InterruptsForwarded => _forwarder.Forwarded;

    /// <summary>What its state region holds.</summary>
    public EhciState Saved
    {
        get
        {
            _ = _host.Memory.TryRead(_parts.Region, out EhciState state);
            return state;
        }
    }

    /// <summary>Whether it has work, as far as its registers tell.</summary>
    public bool HasDemand => Image.HasDemand;

    /// <summary>Makes a VM one of those that have the controller in turns.</summary>
    /// <returns>The tenant, or why not; nothing changed then.</returns>
    public static async ValueTask<(ControllerTenant?, AssignmentResult)> TryCreate(
        TimeSharedController sharing, VirtualMachine machine, SourceId guestAddress, RealFunction real, GatedEhci hardware, uint ports, Action woken)
    {
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return (null, new(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device"));
        (TenantParts? parts, AssignmentResult taken) = await TenantParts.TryTake(machine, real.Bars[0].Length);
        if (parts is null)
            return (null, taken);
        ControllerTenant tenant = new(sharing, machine, hardware, real, ports, parts, woken);
        tenant._hardware.ResetPorts(ports);
        tenant.Store();
        tenant._forwarder.Run();
        if (machine.Mapping.Policy == MappingPolicy.Static && !await tenant.Mappings!.TryMapAll())
        {
            await tenant.Release();
            return (null, new(AssignmentRefusal.NotAllMapped, $"not all memory of {machine.Name} can be mapped"));
        }

        tenant.GuestAddress = guestAddress;
        machine.Pci.Add(tenant.Function, guestAddress.Device);
        machine.Pci.WriteConfiguration(guestAddress, PciOffset.Bar0, 4, (uint)parts.Bar);
        machine.Add(tenant);
        return (tenant, AssignmentResult.Done);
    }

    /// <summary>An access of the guest that left it.</summary>
    public ulong Read(ulong offset, int width)
    {
        if (!_hasTurn)
            return Image.Read(offset, width);
        ulong value = _hardware.Read(offset, width);
        Settle();
        return value | (OverlayAt(offset, width) & RegisterFile.AllOnes(width));
    }

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value)
    {
        if (!_hasTurn)
        {
            Image.Write(offset, width, value);
            Store();
            _woken();
            return;
        }

        _hardware.Write(offset, width, value);

        // What is acknowledged is gone; a command decides anew which schedules run.
        int status = _hardware.OperationalBase + EhciOperationalOffsets.UsbStatus;
        _overlay &= ~Part(value & RegisterFile.AllOnes(width), (int)offset - status);
        int command = _hardware.OperationalBase + EhciOperationalOffsets.UsbCommand;
        if ((int)offset < command + sizeof(uint) && (int)offset + width > command)
            _overlay &= ~ScheduleBits;
        Settle();
    }

    /// <summary>HCRESET, as software would do it.</summary>
    public void ResetController() => Write((ulong)(_hardware.OperationalBase + EhciOperationalOffsets.UsbCommand), sizeof(uint), new UsbCommand { Reset = true }.Raw.Value);

    /// <summary>The guest moved the BAR, or changed what the controller may do.</summary>
    public void Follow()
    {
        if (_hasTurn)
            _real.SetBusMaster(Function.IsBusMaster);
        Settle();
    }

    /// <summary>Its turn is over: from here on the guest finds the image.</summary>
    public void Leave()
    {
        Settle();
        _hasTurn = false;
        Function.Map(false);
        Image.Capture(_overlay);
        Store();
    }

    /// <summary>Its turn begins: from here on the guest finds the controller.</summary>
    /// <param name="withClock">Whether the frame index goes on where it would be.</param>
    public void Enter(bool withClock)
    {
        Image.Restore(Saved, withClock);
        _real.SetBusMaster(Function.IsBusMaster);
        _overlay = Image.Load();
        _hasTurn = true;
    }

    /// <summary>Sees what time and the ports did while it has no turn; while it has one, maps the registers once nothing lies over them.</summary>
    public void Settle()
    {
        if (!_hasTurn)
        {
            Image.Poll();
            Store();
            return;
        }

        uint showing = _hardware.Status.Raw.Value & ScheduleBits;
        _overlay &= ~showing;
        Function.Map(_overlay == 0);
    }

    /// <summary>The image, with what the controller reported at last, is what counts.</summary>
    /// <param name="hasFailed">Whether the controller did not come to a stop by itself.</param>
    public void Complete(bool hasFailed)
    {
        Image.Complete(hasFailed);
        Store();
    }

    /// <inheritdoc/>
    public ValueTask Close() => _sharing.TakeBack(Machine);

    /// <summary>The guest does not see the controller any more, and nothing of what it had is left. It has no turn.</summary>
    public async ValueTask Release()
    {
        Machine.Remove(this);
        Function.Map(false);
        if (Function.Bus is not null)
            Machine.Pci.Root.Remove(Function);
        _hardware.ResetPorts(Image.Ports);
        _forwarder.Stop();
        await Mappings!.Close();
        await _parts.Return(Machine);
    }

    private static uint ScheduleBits => new UsbStatus { AsyncActive = true, PeriodicActive = true }.Raw.Value;

    private void Store() => _ = _host.Memory.TryWrite(_parts.Region, Image.State);

    // The overlay as an access at an offset finds it.
    private ulong OverlayAt(ulong offset, int width)
    {
        int shift = (_hardware.OperationalBase + EhciOperationalOffsets.UsbStatus - (int)offset) * 8;
        return shift <= -32 || shift >= 8 * width ? 0 : shift >= 0 ? (ulong)_overlay << shift : _overlay >> -shift;
    }

    // What an access brings for a doubleword that begins so many bytes before it.
    private static uint Part(ulong value, int distance) => distance switch
    {
        <= -8 or >= sizeof(uint) => 0,
        < 0 => (uint)(value >> (-distance * 8)),
        _ => (uint)(value << (distance * 8)),
    };
}
