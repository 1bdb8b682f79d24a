using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>A host with a USB controller that belongs to a guest: every access to memory goes through the remapping unit.</summary>
internal sealed class UsbWorld : IDisposable
{
    /// <summary>The first port for USB 2 devices.</summary>
    public const int FirstPort = 1;

    private const ulong KernelBytes = 1 << 20;
    private const ulong VmmBytes = 64 << 20;
    private const byte Vector = 0x40;

    private readonly Host _host;
    private readonly PciFunction _controller;
    private readonly VirtualMachine _machine;
    private IUsbHostController? _driver;

    /// <summary>Builds the host and the guest, and gives the guest the controller; no guest software has run.</summary>
    /// <param name="controller">Which one.</param>
    /// <param name="guestBytes">Bytes of the guest's memory, a multiple of 4096.</param>
    public UsbWorld(ControllerKind controller, ulong guestBytes)
    {
        _host = new(new HostOptions { MemoryBytes = VmmBytes + guestBytes + KernelBytes, VmmBytes = VmmBytes });
        if (controller == ControllerKind.Ehci)
        {
            EhciController ehci = new(Loop);
            (_controller, Ports, DiskPort, DiskSpeed) = (ehci, ehci.Usb.Ports, FirstPort, UsbSpeed.High);
        }
        else
        {
            XhciController xhci = new(Loop);
            (_controller, Ports, DiskPort, DiskSpeed) = (xhci, xhci.Ports, xhci.Options.Usb2PortCount + 1, UsbSpeed.Super);
        }

        _host.Pci.Add(_controller, device: 1);
        _host.Boot();
        _machine = _host.CreateMachine("guest", guestBytes);
    }

    /// <summary>Virtual time.</summary>
    public EventLoop Loop => _host.Loop;

    /// <summary>The sockets of the controller, that of port 1 first.</summary>
    public IReadOnlyList<UsbPort> Ports { get; }

    /// <summary>The port at which a disk is fastest, from 1.</summary>
    public int DiskPort { get; }

    /// <summary>How fast it is there.</summary>
    public UsbSpeed DiskSpeed { get; }

    /// <summary>The driver of the guest.</summary>
    public IUsbHostController Driver => _driver ?? throw new InvalidOperationException("The guest was not started.");

    /// <summary>Accesses of devices that the remapping unit refused.</summary>
    public ulong Faults => _host.Faults.Total;

    /// <summary>Assigns the controller and starts its driver in the guest; called on the loop.</summary>
    public async Task Start()
    {
        SourceId place = new(0, 1, 0);
        AssignmentResult assigned = await _host.AssignmentOf(_controller.Source).Assign(_machine, place);
        if (!assigned.IsDone)
            throw new InvalidOperationException(assigned.Reason);
        GuestCpu cpu = _machine.Cpu;
        FrameAllocator frames = new(new(KernelBytes), _machine.Memory.Bytes - KernelBytes);
        ParavirtualDmaSpace dma = new(cpu, frames, cpu, place);
        _driver = await UsbHostControllers.Start(PciDevice.Open(cpu, new PciConfigurationPorts(cpu), place, dma, Vector));
    }

    /// <summary>Enumerates a device and starts the driver of disks on it; called on the loop.</summary>
    /// <param name="port">From 1.</param>
    public async Task<MassStorageDriver> OpenDisk(int port) => await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(Driver, port));

    /// <inheritdoc/>
    public void Dispose() => _host.Dispose();
}
