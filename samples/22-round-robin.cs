#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// Three VMs have one USB controller, whole, one after the other: the VMM stops it, saves its registers into the region of the one VM,
// and restores those of the next. Their drivers are ordinary. docs/mechanisms/b-round-robin.md explains it.
// Run it with: dotnet run samples/22-round-robin.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host with one EHCI controller, whose root ports have gates, and a disk in each of them.
const int Vms = 3;
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop, new() { PortCount = Vms, PortGates = true });
foreach (UsbPort port in controller.Usb.Ports)
    port.Plug(new MassStorageDevice(new MemoryDiskImage(new byte[1 << 20])));
host.Pci.Add(controller, device: 2);
host.Boot();
TurnLedger ledger = new();
ulong[] bytes = new ulong[Vms];
host.Loop.Run(Play);

async Task Play()
{
    // 2. The VMM takes the controller over, and each VM gets a port and a place in the round.
    TimeSharingOptions options = new() { QuantumNs = 10_000_000, Observer = ledger };
    TimeSharedController sharing = (await TimeSharedController.Start(host, controller.Source, options))!;
    for (int number = 0; number < Vms; number++)
        _ = Read(await Open(sharing, number), number);

    // 3. All read for 100 ms; then one crashes, and the others have its time.
    await host.Cpu.Processor.Delay(100_000_000);
    Report(sharing, "100 ms together");
    await host.Destroy(host.Machines.First());
    Array.Clear(bytes);
    await host.Cpu.Processor.Delay(100_000_000);
    Report(sharing, "100 ms after VM 1 crashed");
    Console.WriteLine($"faults: {host.Faults.Total}");
}

async Task<MassStorageDriver> Open(TimeSharedController sharing, int number)
{
    VirtualMachine vm = host.CreateMachine($"VM {number + 1}", 16 << 20);
    SourceId place = new(0, 4, 0);
    await sharing.Give(vm, place, number + 1);
    ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 15 << 20), vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);
    UsbDeviceHandle disk = await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), number + 1);
    return await MassStorageDriver.Start(disk);
}

async Task Read(MassStorageDriver disk, int number)
{
    VirtualMachine vm = host.Machines.ElementAt(number);
    MemoryBuffer buffer = new(vm.Cpu, new GuestPhysicalAddress(12 << 20), 16 * 1024);
    try
    {
        for (ulong block = 0; ; block = (block + 32) % disk.BlockCount)
        {
            await disk.Read(block, buffer);
            bytes[number] += 16 * 1024;
        }
    }
    catch (DriverException failure)
    {
        Console.WriteLine($"{vm.Name}: {failure.Failure}");
    }
}

void Report(TimeSharedController sharing, string when)
{
    Console.WriteLine($"{when}: read {string.Join(", ", bytes.Select(read => $"{read / 1024} KiB"))}");
    foreach (VirtualMachine vm in sharing.Machines)
        Console.WriteLine($"  {vm.Name}: {ledger.TurnsOf(vm)} turns, {ledger.TimeOf(vm) / 1000} us, longest wait {ledger.GapOf(vm) / 1000} us of {ledger.WaitBoundNs(sharing.Machines.Count, 10_000_000) / 1000}, FRINDEX {sharing.StateOf(vm).FrameIndex}");
    Console.WriteLine($"  utilisation {ledger.Utilisation:P1}, longest switch {ledger.SwitchNsMax / 1000} us");
}
