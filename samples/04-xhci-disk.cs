#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// One disk driver, three ways to the disk: EHCI, a USB 2 port of xHCI, a USB 3 port of xHCI. The guest does the same each time,
// and the VMM has the same to do. Run it with: dotnet run samples/04-xhci-disk.cs
using System.Security.Cryptography;
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

byte[] content = new byte[8 << 20];
new Random(4).NextBytes(content);
Console.WriteLine("                     speed    MB/s   hypercalls  exits  interrupts  the same bytes");
Run("EHCI", loop => new EhciController(loop), port: 1, UsbSpeed.High);
Run("xHCI, a USB 2 port", loop => new XhciController(loop), port: 1, UsbSpeed.High);
Run("xHCI, a USB 3 port", loop => new XhciController(loop), port: 5, UsbSpeed.Super);

void Run(string name, Func<EventLoop, PciFunction> build, int port, UsbSpeed speed)
{
    // 1. A host with the controller and the disk; a VM that gets the controller.
    using Host host = new(new HostOptions());
    PciFunction controller = build(host.Loop);
    IReadOnlyList<UsbPort> sockets = controller is XhciController xhci ? xhci.Ports : ((EhciController)controller).Usb.Ports;
    sockets[port - 1].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: speed));
    host.Pci.Add(controller, device: 0x1D);
    host.Boot();
    VirtualMachine vm = host.CreateMachine("VM 1", 32 << 20);
    host.Loop.Run(Play);

    async Task Play()
    {
        Assignment assignment = host.AssignmentOf(controller.Source);
        await assignment.Assign(vm, new SourceId(0, 4, 0));
        FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 31 << 20);
        SourceId place = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
        ParavirtualDmaSpace dma = new(vm.Cpu, frames, vm.Cpu, place);
        PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);

        // 2. The class code says which driver the controller needs. From here on nothing knows which one it is.
        IUsbHostController usb = await UsbHostControllers.Start(device);
        UsbDeviceHandle stick = await UsbDeviceHandle.Enumerate(usb, port);
        MassStorageDriver disk = await MassStorageDriver.Start(stick);

        // 3. The whole disk in one call.
        MemoryBuffer buffer = dma.Allocate(content.Length);
        Meter meter = vm.Cpu.Processor.Meter;
        (ulong timeNs, ulong calls, ulong exits, ulong interrupts) =
            (host.Loop.NowNs, meter[Cost.Hypercall], meter[Cost.Exit], assignment.InterruptsForwarded);
        await disk.Read(firstBlock: 0, buffer);
        double seconds = (host.Loop.NowNs - timeNs) / 1e9;
        (calls, exits, interrupts) = (meter[Cost.Hypercall] - calls, meter[Cost.Exit] - exits, assignment.InterruptsForwarded - interrupts);
        byte[] read = new byte[content.Length];
        buffer.Read(0, read);
        bool isSame = SHA256.HashData(read).SequenceEqual(SHA256.HashData(content)) && host.Faults.Total == 0;
        Console.WriteLine($"{name,-20} {stick.Connection.Location.Speed,-6} {read.Length / seconds / 1e6,6:F1} {calls,12} {exits,6} {interrupts,11}  {isSame}");
    }
}

// It prints:
//                      speed    MB/s   hypercalls  exits  interrupts  the same bytes
// EHCI                 High     43.7            2     98          96  True
// xHCI, a USB 2 port   High     53.1            2     98          96  True
// xHCI, a USB 3 port   Super   457.6            2     98          96  True
