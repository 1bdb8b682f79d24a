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
Dictionary<VirtualMachine, (ulong Turns, ulong Ns)> before = [];
host.Loop.Run(Play);

async Task Play()
{
    // 2. The VMM takes the controller over, and each VM gets a port and a place in the round.
    TimeSharedController sharing = (await TimeSharedController.Start(host, controller.Source, new() { QuantumNs = 10_000_000, Observer = ledger }))!;
    for (int number = 0; number < Vms; number++)
        _ = Read(await Open(sharing, number), number);

    // 3. All read for 100 ms; then one crashes, and the others have its time.
    Count(sharing);
    await host.Cpu.Processor.Delay(100_000_000);
    Report(sharing, "100 ms together");
    await host.Destroy(host.Machines.First());
    Count(sharing);
    await host.Cpu.Processor.Delay(100_000_000);
    Report(sharing, "100 ms after VM 1 crashed");
    Console.WriteLine($"{Vms} VMs wait {ledger.WaitBoundNs(Vms, 10_000_000) / 1000} us at most; utilisation {ledger.Utilisation:P1}; faults: {host.Faults.Total}");
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

void Count(TimeSharedController sharing)
{
    Array.Clear(bytes);
    foreach (VirtualMachine vm in sharing.Machines)
        before[vm] = (ledger.TurnsOf(vm), ledger.TimeOf(vm));
}

void Report(TimeSharedController sharing, string when)
{
    Console.WriteLine($"{when}: read {string.Join(", ", bytes.Select(read => $"{read / 1024} KiB"))}");
    foreach (VirtualMachine vm in sharing.Machines)
        Console.WriteLine($"  {vm.Name}: {ledger.TurnsOf(vm) - before[vm].Turns} turns, {(ledger.TimeOf(vm) - before[vm].Ns) / 1000} us, FRINDEX {sharing.StateOf(vm).FrameIndex}, never waited longer than {ledger.GapOf(vm) / 1000} us");
}

// It prints:
// 100 ms together: read 496 KiB, 480 KiB, 560 KiB
//   VM 1: 3 turns, 30000 us, FRINDEX 5782, never waited longer than 21125 us
//   VM 2: 3 turns, 30000 us, FRINDEX 4210, never waited longer than 21125 us
//   VM 3: 4 turns, 40000 us, FRINDEX 2608, never waited longer than 21187 us
// VM 1: DmaRefused
// 100 ms after VM 1 crashed: read 0 KiB, 800 KiB, 752 KiB
//   VM 2: 5 turns, 50000 us, FRINDEX 4969, never waited longer than 21125 us
//   VM 3: 4 turns, 40000 us, FRINDEX 3362, never waited longer than 21187 us
// 3 VMs wait 21191 us at most; utilisation 96.2 %; faults: 0
