using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One VM that has a controller in turns: what it sees of it, what the controller may reach for it, and its state region.</summary>
/// <remarks>
/// <code>
///   Image     no turn       reads and writes exit, and find the image
///   Overlaid  its turn      they exit, and find the controller, with what cannot be made to show again in its registers
///   Mapped    its turn      they do not exit
/// </code>
/// </remarks>
internal sealed class ControllerTenant : IGuestDevice, IGuestService
{
    private readonly TimeSharedController _sharing;
    private readonly RealFunction _real;
    private readonly ITurnHardware _hardware;
    private readonly Action _woken;
    private readonly InterruptForwarder _forwarder;
    private readonly TenantParts _parts;
    private bool _hasTurn;

    private ControllerTenant(
        TimeSharedController sharing, VirtualMachine machine, ITurnHardware hardware, RealFunction real, uint ports, TenantParts parts, Action woken)
    {
        (_sharing, Machine, _real, _hardware, _parts, _woken) = (sharing, machine, real, hardware, parts, woken);
        Image = hardware.CreateImage(machine.Host.Loop, ports, parts.Region, () => Function?.Interrupt());
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

    /// <summary>Its registers.</summary>
    public ITurnImage Image { get; }

    /// <summary>What raises its interrupt on the host.</summary>
    public MessageInterrupt Vector => _parts.Vector;

    /// <summary>How many interrupts of the controller were passed on.</summary>
    public ulong InterruptsForwarded => _forwarder.Forwarded;

    /// <summary>Bytes of its state region that a switch writes, and reads again.</summary>
    public int StateBytes => _hardware.StateBytes + _parts.Region.ScratchpadBytes;

    /// <summary>Makes a VM one of those that have the controller in turns.</summary>
    /// <returns>The tenant, or why not; nothing changed then.</returns>
    public static async ValueTask<(ControllerTenant?, AssignmentResult)> TryCreate(
        TimeSharedController sharing, VirtualMachine machine, SourceId guestAddress, RealFunction real, ITurnHardware hardware, uint ports, Action woken)
    {
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            return (null, new(AssignmentRefusal.GuestPlace, $"{guestAddress} of {machine.Name} is taken or no place for a device"));
        (TenantParts? parts, AssignmentResult taken) = await TenantParts.TryTake(machine, real.Bars[0].Length, hardware.ScratchpadPages);
        if (parts is null)
            return (null, taken);
        ControllerTenant tenant = new(sharing, machine, hardware, real, ports, parts, woken);
        hardware.ResetPorts(ports);
        tenant.Image.Store();
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
        ulong value = Image.ReadThrough(offset, width);
        Settle();
        return value;
    }

    /// <inheritdoc cref="Read"/>
    public void Write(ulong offset, int width, ulong value)
    {
        if (_hasTurn)
        {
            Image.WriteThrough(offset, width, value);
            Settle();
            return;
        }

        Image.Write(offset, width, value);
        Image.Store();
        _woken();
    }

    /// <summary>A reset of the controller, as software would do it.</summary>
    public void ResetController() => Write(_hardware.ResetCommand.Offset, sizeof(uint), _hardware.ResetCommand.Value);

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
        Image.Capture();
        Image.Store();
    }

    /// <summary>Its turn begins: from here on the guest finds the controller.</summary>
    public void Enter()
    {
        _real.SetBusMaster(Function.IsBusMaster);
        Image.Load();
        _hasTurn = true;
    }

    /// <summary>Sees what time and the ports did while it has no turn; while it has one, maps the registers once nothing lies over them.</summary>
    public void Settle()
    {
        Image.Settle(_hasTurn);
        if (_hasTurn)
            Function.Map(Image.IsClear);
        else
            Image.Store();
    }

    /// <summary>The image, with what the controller reported at last, is what counts.</summary>
    /// <param name="hasFailed">Whether the controller did not come to a stop, or not save its state, by itself.</param>
    public void Complete(bool hasFailed)
    {
        Image.Complete(hasFailed);
        Image.Store();
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
}
