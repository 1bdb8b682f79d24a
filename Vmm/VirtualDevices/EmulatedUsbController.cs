using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>A USB controller made of software in the PCI hierarchy of a VM, behind whose ports devices of the host are.</summary>
/// <remarks>
/// <code>
/// guest                     VMM                                    host
/// driver --- registers ---> controller --- packets ---> device --- transfers ---> USB stack --> controller
///            (exits)          |  schedules and data: copies          copies
///        memory &lt;-------------+
/// </code>
/// The guest needs no change: it is the controller that it has a driver for. Each access to its registers is an exit, unless a
/// poller serves them; each structure and packet that it reads or writes is a copy by a processor of the host. The controller
/// runs in the VMM, or in a process of the service OS (<see cref="UserLevelMonitor"/>).
/// </remarks>
public sealed class EmulatedUsbController : IUsbMediator, IGuestService
{
    private readonly PciFunction _function;
    private readonly IReadOnlyList<UsbPort> _ports;
    private readonly List<ulong> _bars = [];
    private readonly Dictionary<IHostUsbDevice, UsbPort> _attached = [];
    private readonly PolledRegisters? _polled;
    private readonly UserLevelMonitor? _monitor;

    /// <summary>Plugs a controller into a VM.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="controller">The controller, EHCI or xHCI, plugged in nowhere yet.</param>
    /// <param name="guestAddress">Where in the guest's PCI hierarchy: bus 0, function 0.</param>
    /// <param name="poller">Who polls its registers, writes going through a ring; null where they trap.</param>
    /// <param name="monitor">The process that it runs in, of this VM; null where it runs in the VMM.</param>
    /// <exception cref="ArgumentException">It is no such controller, or the process is of another VM.</exception>
    /// <exception cref="InvalidOperationException">The place is taken, there is no room for its registers, or the process has ended.</exception>
    public EmulatedUsbController(
        VirtualMachine machine, PciFunction controller, SourceId guestAddress, RegisterPoller? poller = null, UserLevelMonitor? monitor = null)
    {
        (Machine, _function, _monitor) = (machine, controller, monitor);
        if (monitor is not null && monitor.Machine != machine)
            throw new ArgumentException($"The monitor is of {monitor.Machine.Name}.", nameof(monitor));
        _ports = controller switch
        {
            EhciController ehci => ehci.Usb.Ports,
            XhciController xhci => xhci.Ports,
            _ => throw new ArgumentException("Only EHCI and xHCI controllers are emulated.", nameof(controller)),
        };
        if (guestAddress.Bus != 0 || guestAddress.Function != 0 || machine.Pci.Find(guestAddress) is not null)
            throw new InvalidOperationException($"{guestAddress} of {machine.Name} is taken or no place for a device.");
        if (monitor is { IsAlive: false })
            throw new InvalidOperationException($"The monitor of {machine.Name} has ended.");
        machine.DeviceModels.Add(guestAddress, monitor, isPolled: poller is not null);
        if (poller is not null)
        {
            _polled = poller.Plug(machine, controller, guestAddress, PolledAccess.WriteRing);
        }
        else
        {
            machine.Pci.Add(controller, guestAddress.Device);
            PlaceBars(guestAddress);
        }

        machine.Services.Add(this);
        monitor?.Add(this);
        controller.Accessed = monitor is null ? null : monitor.Upcall;
    }

    /// <inheritdoc/>
    public string Name => $"emulated {(_function is EhciController ? "EHCI" : "xHCI")} controller{(_monitor is null ? "" : " in a user-level monitor")}";

    /// <inheritdoc/>
    public VirtualMachine Machine { get; }

    /// <inheritdoc/>
    public ValueTask<bool> Attach(IHostUsbDevice device)
    {
        UsbPort? port = device.Speed == UsbSpeed.Super || _monitor is { IsAlive: false } ? null : _ports.FirstOrDefault(port => port.Device is null && Fits(port, device.Speed));
        if (port is null)
            return new(false);
        _attached.Add(device, port);
        UserLevelMonitor? direct = _monitor is { Options.IsZeroCopy: true } && _function is EhciController ? _monitor : null;
        port.Plug(new PassthroughUsbDevice(device, _monitor?.Processor ?? Machine.Host.Cpu.Processor, direct));
        return new(true);
    }

    /// <inheritdoc/>
    public async ValueTask Detach(IHostUsbDevice device)
    {
        if (!_attached.Remove(device, out UsbPort? port))
            return;

        // Pulled out, it calls off what is on the host; what is called off ends when the stack looks next, and before its reset.
        PassthroughUsbDevice? virtualDevice = (PassthroughUsbDevice?)port.Unplug();
        if (virtualDevice is not null && _monitor is not { IsAbandoned: true })
            await virtualDevice.WaitUntilIdle();
    }

    /// <inheritdoc/>
    async ValueTask IGuestService.Close()
    {
        // First of all the guest reaches nothing any more, and nothing reaches the guest.
        _monitor?.Remove(this);
        _function.Accessed = null;
        SourceId place = _function.Source;
        if (_polled is { } polled)
            polled.Unplug();
        else
            Machine.Pci.Root.Remove(_function);
        Machine.DeviceModels.Remove(place);
        foreach (IHostUsbDevice device in _attached.Keys.ToArray())
            await Detach(device);
        foreach (ulong bar in _bars)
            Machine.BarPlaces.Return(bar);
    }

    // A port of EHCI has no translator: what is slower than high speed does not work there.
    private static bool Fits(UsbPort port, UsbSpeed speed) =>
        port.Bus!.Speed != UsbSpeed.Super && (speed == UsbSpeed.High || port.Bus.Speed != UsbSpeed.High || port.Bus.Ports.Count == 1);

    // As firmware would: places where the guest finds the registers, until it moves them.
    private void PlaceBars(SourceId place)
    {
        foreach (PciBarInfo bar in PciBarSizing.Read(new FunctionAccess(_function), place))
        {
            if (!Machine.BarPlaces.TryTake(bar.Length, out ulong address))
                throw new InvalidOperationException($"{Machine.Name} has no room for the registers of a controller.");
            _bars.Add(address);
            Machine.Pci.WriteConfiguration(place, PciOffset.Bar0 + (4 * bar.Index), 4, (uint)address);
        }
    }

    private sealed class FunctionAccess(PciFunction function) : IConfigurationAccess
    {
        public uint Read(int offset, int width) => function.Configuration.Read(offset, width);

        public void Write(int offset, int width, uint value) => function.Configuration.Write(offset, width, value);
    }
}
