#:project Lab/Lab.csproj
#:property PublishAot=false

// Two disks behind one USB controller of the host, and a VM that shall have one of them. A remapping unit tells controllers
// apart and not the devices behind one: so somebody has to stand in between, or the VM gets the whole controller.
// docs/models.md explains it. Run it with: dotnet run samples/17-io-models.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

const int DiskBytes = 256 << 10;
SourceId place = new(0, 4, 0);
byte[][] contents = [[.. Enumerable.Repeat((byte)1, DiskBytes)], [.. Enumerable.Repeat((byte)2, DiskBytes)]];

// 1. The host has the controller, a driver of its own for each disk, and reads both.
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(contents[0])));
controller.Usb.Ports[1].Plug(new MassStorageDevice(new MemoryDiskImage(contents[1])));
host.Pci.Add(controller, device: 0x1D);
host.Boot();
HostUsbStack stack = new(host, controller.Source);
HostDisk[] drivers = [new(), new()];
HostUsbDevice[] disks = [new(stack, port: 1, drivers[0]), new(stack, port: 2, drivers[1])];
host.Loop.Run(Play);

async Task Play()
{
    await stack.Start();
    Console.WriteLine($"the host logs in: {await disks[0].LogIn()} {await disks[1].LogIn()}, it reads {await HostReads()}");

    // 2. One disk goes to a VM; the mediator looks at each transfer. The drivers in the guest are the same as on the host.
    UsbDeviceAssignment assignment = new(disks[0]);
    foreach (bool isSplit in (bool[])[false, true])
    {
        VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
        IUsbMediator mediator = isSplit ? new UsbBackEnd(vm, stack) : new EmulatedUsbController(vm, new EhciController(host.Loop), place);
        _ = await assignment.Assign(mediator);
        Console.WriteLine($"{assignment.State} by the {assignment.Mediator}, the host reads {await HostReads()}");
        await GuestReads(vm, isSplit ? await ParavirtualUsbDriver.Start(vm.Cpu, vm.Cpu, Frames(), vector: 0x40) : await Start(vm, new IdentityDmaSpace(vm.Cpu, Frames())));
        await host.Destroy(vm);
        Console.WriteLine($"  the VM ends: {assignment.State}, the host reads {await HostReads()}");
    }

    // 3. The whole controller: the host logs out of both disks and stops its stack, and the remapping unit stands in between.
    _ = await disks[0].LogOut() && await disks[1].LogOut();
    await stack.Stop();
    VirtualMachine owner = host.CreateMachine("VM 1", 16 << 20);
    (owner.Mapping, owner.Delivery) = (new() { Policy = MappingPolicy.Static }, InterruptDelivery.Posted);
    Console.WriteLine($"the host logs out, the controller is assigned: {(await host.AssignmentOf(controller.Source).Assign(owner, place)).Reason}, the host reads {await HostReads()}");
    await GuestReads(owner, await Start(owner, GuestDma.Create(owner.Mapping, owner.Cpu, Frames(), owner.Cpu, place)));
    await host.Destroy(owner);
    await stack.Start();
    Console.WriteLine($"the host logs in: {await disks[0].LogIn()} {await disks[1].LogIn()}, it reads {await HostReads()}");
}

async Task GuestReads(VirtualMachine vm, IUsbHostController usb)
{
    MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1));
    MemoryBuffer buffer = usb.Memory.Allocate(DiskBytes);
    (ulong exits, ulong copied, byte[] bytes) = (vm.Cpu.Processor.Meter[Cost.Exit], Copied(vm), new byte[DiskBytes]);
    await disk.Read(0, buffer);
    buffer.Read(0, bytes);
    Console.WriteLine(FormattableString.Invariant($"  the guest reads disk {Find(bytes)}: {vm.Cpu.Processor.Meter[Cost.Exit] - exits} exits, {(Copied(vm) - copied) / (double)DiskBytes:0.00} copies per byte"));
}

async Task<string> HostReads()
{
    List<int> read = [];
    byte[] bytes = new byte[DiskBytes];
    foreach (HostDisk disk in drivers.Where(disk => disk.IsUp))
    {
        await disk.Read(0, bytes);
        read.Add(Find(bytes));
    }

    return read.Count == 0 ? "nothing" : $"disk {string.Join(" and ", read)}";
}

int Find(byte[] bytes) => 1 + Array.FindIndex(contents, content => content.AsSpan().SequenceEqual(bytes));
ulong Copied(VirtualMachine vm) => vm.Cpu.Processor.Meter[Cost.CopiedByte] + host.Cpu.Processor.Meter[Cost.CopiedByte] + stack.Processor.Meter[Cost.CopiedByte];
FrameAllocator Frames() => new(new(1 << 20), 15 << 20);
ValueTask<IUsbHostController> Start(VirtualMachine vm, IDmaSpace dma) =>
    UsbHostControllers.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, vector: 0x40));

// It prints:
// the host logs in: True True, it reads disk 1 and 2
// Assigned by the emulated EHCI controller, the host reads disk 2
//   the guest reads disk 1: 11 exits, 3.46 copies per byte
//   the VM ends: Host, the host reads disk 1 and 2
// Assigned by the back end of the split driver, the host reads disk 2
//   the guest reads disk 1: 6 exits, 0.00 copies per byte
//   the VM ends: Host, the host reads disk 1 and 2
// the host logs out, the controller is assigned: done, the host reads nothing
//   the guest reads disk 1: 0 exits, 0.00 copies per byte
// the host logs in: True True, it reads disk 1 and 2
