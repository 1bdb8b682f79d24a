#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A USB controller made of software runs in a process, and reaches the memory of its VM by a window. Then a page leaves the VM, and
// the process looks for it. docs/mechanisms/g-user-level-monitor.md explains it.
// Run it with: dotnet run samples/27-user-level-monitor.cs
using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

Models();
foreach (ShootDown shootDown in Enum.GetValues<ShootDown>())
    Attack(shootDown);

static void Models()
{
    // 1. A host, a VM, and a monitor: a process of the service OS with an empty window on the VM's memory.
    using Host host = new(new HostOptions());
    host.Boot();
    VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
    UserLevelMonitor monitor = new(vm);

    // 2. In it runs an EHCI controller with a disk. The guest's driver does not know.
    EhciController controller = new(host.Loop);
    controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(new byte[1 << 20])));
    SourceId place = new(0, 4, 0);
    _ = new EmulatedUsbController(vm, controller, place, monitor: monitor);
    host.Loop.Run(Play);

    async Task Play()
    {
        IdentityDmaSpace memory = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), 14 << 20));
        PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, memory, 0x40);
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), 1));
        MemoryBuffer buffer = memory.Allocate(4096);
        await disk.Read(0, buffer);

        // 3. Each page that the model has touched has faulted once. From here on there is no fault, and no system call.
        Console.WriteLine($"after the first read: {monitor.Counts.Faults} faults, {monitor.PagesPresent} pages in the window");
        (ulong faults, ulong accesses, ulong upcalls) = (monitor.Counts.Faults, monitor.Counts.Accesses, monitor.Counts.Upcalls);
        for (ulong block = 8; block < 520; block += 8)
            await disk.Read(block, buffer);
        Console.WriteLine($"64 reads of 4 KiB: {monitor.Counts.Faults - faults} faults, {monitor.Counts.SystemCalls} system calls for {monitor.Counts.Accesses - accesses} accesses, {monitor.Counts.Upcalls - upcalls} upcalls");

        // 4. The process dies. Nothing is pinned for it any more, and the guest finds no controller.
        await monitor.Kill();
        Console.WriteLine($"after its death: {monitor.PagesPresent} pages in the window, {host.Frames.Pins} pins, {(vm.Pci.Find(place) is null ? "no controller" : "a controller")}");
    }
}

static void Attack(ShootDown shootDown)
{
    using Host host = new(new HostOptions());
    host.Boot();
    (VirtualMachine vm, VirtualMachine other) = (host.CreateMachine("VM 1", 1 << 20), host.CreateMachine("VM 2", 1 << 20));
    UserLevelMonitor monitor = new(vm, new() { ShootDown = shootDown });
    host.Loop.Run(Play);

    async Task Play()
    {
        // 5. The window shows page 3000h. The guest gives it up (a balloon), and its frame goes to VM 2.
        GuestPhysicalAddress page = new(0x3000);
        _ = monitor.Write(page, "of VM 1"u8);
        PhysicalAddress frame = vm.Memory.Tables.Walk(page, EptRights.Read).Address;
        _ = other.Cpu.TryWrite(new(0x7000), "of VM 2"u8);
        _ = await vm.Mover.Balloon(page);
        _ = await other.Mover.Move(new(0x7000), frame);

        // 6. A monitor that was broken into reads there.
        string state = $"{monitor.StateOf(page)}";
        byte[] found = new byte[7];
        _ = monitor.Read(page, found);
        string text = found.AsSpan().ContainsAnyExcept((byte)0) ? $"'{Encoding.ASCII.GetString(found)}'" : "zeros";
        Console.WriteLine($"{shootDown}: the page is {state} in the window, and the monitor reads {text}");
    }
}

// It prints:
// after the first read: 5 faults, 5 pages in the window
// 64 reads of 4 KiB: 0 faults, 0 system calls for 8576 accesses, 384 upcalls
// after its death: 0 pages in the window, 0 pins, no controller
// Flushed: the page is Absent in the window, and the monitor reads zeros
// Unflushed: the page is Stale in the window, and the monitor reads 'of VM 2'
// None: the page is Stale in the window, and the monitor reads 'of VM 2'
