#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A USB controller with a register set for each VM. One VM reads its disk all the time, the other in small pieces; then the
// first is crashed, and the other does not notice. docs/mechanisms/c-register-sets.md explains it.
// Run it with: dotnet run samples/23-register-sets.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host with a controller that has two register sets, each a PCI function with a requester id of its own, and two disks.
using Host host = new(new HostOptions());
BusLedger? ledger = null;
SharedEhciController controller = new(host.Loop, new() { SetCount = 2, RootPortCount = 2 });
foreach (UsbPort port in controller.Usb.Ports)
    port.Plug(new MassStorageDevice(new MemoryDiskImage(new byte[1 << 20])));
controller.PlugInto(host.Pci, device: 1);
host.Boot();
ulong[] bytes = [0, 0];
host.Loop.Run(Play);

async Task Play()
{
    // 2. Each VM gets a set and a port. Its registers are mapped into it: it drives them without an exit.
    SharedUsbController sharing = (await SharedUsbController.Start(host, controller.Management.Source))!;
    sharing.Policy = SharingPolicy.DeficitRoundRobin;
    MassStorageDriver[] disks = [await Open(sharing, 0), await Open(sharing, 1)];
    ledger = new BusLedger(2, host.Loop.NowNs);
    controller.Observer = ledger;

    // 3. Both read for 20 ms.
    host.Loop.Start(() => Read(disks[0], 0, pieceBytes: 64 * 1024));
    host.Loop.Start(() => Read(disks[1], 1, pieceBytes: 4 * 1024));
    await host.Cpu.Processor.Delay(20_000_000);
    Report("20 ms together");

    // 4. The first VM's set is reset under its driver, as when a VM crashes. The other one goes on.
    (bytes[0], bytes[1]) = (0, 0);
    await sharing.AssignmentOf(0).TakeBack();
    await host.Cpu.Processor.Delay(20_000_000);
    Report("20 ms after VM 1 crashed");
    Console.WriteLine($"faults: {host.Faults.Total}");
}

async Task<MassStorageDriver> Open(SharedUsbController sharing, int set)
{
    VirtualMachine vm = host.CreateMachine($"VM {set + 1}", 16 << 20);
    SourceId place = new(0, 4, 0);
    await sharing.Give(set, vm, place, set + 1);
    ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 15 << 20), vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);
    Console.WriteLine($"{vm.Name} has {sharing.AssignmentOf(set).Source}, registers mapped: {sharing.AssignmentOf(set).MappedBars.Count == 1}");
    return await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), set + 1));
}

async Task Read(MassStorageDriver disk, int set, int pieceBytes)
{
    VirtualMachine vm = host.Machines.ElementAt(set);
    MemoryBuffer buffer = new(vm.Cpu, new GuestPhysicalAddress(12 << 20), pieceBytes);
    try
    {
        for (ulong block = 0; ; block = (block + (ulong)(pieceBytes / 512)) % disk.BlockCount)
        {
            await disk.Read(block, buffer);
            bytes[set] += (ulong)pieceBytes;
        }
    }
    catch (DriverException failure)
    {
        Console.WriteLine($"{vm.Name}: {failure.Failure}");
    }
}

void Report(string when) =>
    Console.WriteLine($"{when}: VM 1 read {bytes[0] / 1024} KiB, VM 2 read {bytes[1] / 1024} KiB, so far {ledger!.TimeOf(0) / 1000} and {ledger.TimeOf(1) / 1000} us of bus time");

// It prints:
// VM 1 has 00:02.0, registers mapped: True
// VM 2 has 00:03.0, registers mapped: True
// 20 ms together: VM 1 read 512 KiB, VM 2 read 132 KiB, so far 10237 and 2584 us of bus time
// VM 1: DmaRefused
// 20 ms after VM 1 crashed: VM 1 read 0 KiB, VM 2 read 640 KiB, so far 10237 and 15105 us of bus time
// faults: 0
