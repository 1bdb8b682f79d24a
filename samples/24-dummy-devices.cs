#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// Two VMs share a USB bus, and each reserves time on it for a device that streams. A driver keeps books of its own, so each VM
// has a dummy for the device of the other. docs/mechanisms/d-dummy-devices.md explains it.
// Run it with: dotnet run samples/24-dummy-devices.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A controller with a register set for each VM. Each set has one more port, which has no bus behind it: a dummy goes there.
using Host host = new(new HostOptions());
SharedEhciController controller = new(host.Loop, new() { SetCount = 2, RootPortCount = 2, InternalPortCount = 1 });
IsochronousDevice[] devices = [new(new IsochronousSetting(2048), new(3072)), new(new IsochronousSetting(2048), new(3072))];
for (int port = 0; port < devices.Length; port++)
    controller.Usb.Ports[port].Plug(devices[port]);
controller.PlugInto(host.Pci, device: 1);
host.Boot();
host.Loop.Run(Play);

async Task Play()
{
    // 2. The VMM keeps the books of the whole bus, and plugs a dummy into each VM for the device of the other.
    SharedUsbController sharing = (await SharedUsbController.Start(host, controller.Management.Source))!;
    PeriodicReservations reservations = PeriodicReservations.Start(host, sharing, controller.InternalPortsOf);
    (EhciDriver Controller, IsochronousDriver Stream)[] vms = [await Open(sharing, 0), await Open(sharing, 1)];
    await host.Cpu.Processor.Delay(500_000_000);
    foreach (DummyStatus dummy in reservations.Dummies)
        Console.WriteLine($"VM {dummy.Set + 1} has a dummy at its port {dummy.GuestPort} for the device of VM {dummy.Owner + 1}: {dummy.State}");

    // 3. VM 1 asks for 2048 bytes in each microframe. VM 2's dummy reserves as much before the request goes out.
    await Choose(vms[0].Stream, "VM 1", setting: 1);
    Report();

    // 4. VM 2 asks for 3072, and its own books say that there is no time; 2048 fit.
    await Choose(vms[1].Stream, "VM 2", setting: 2);
    await Choose(vms[1].Stream, "VM 2", setting: 1);
    Report();

    // 5. Both stream for 50 ms; then VM 1 stops, and VM 2 knows of it.
    await host.Cpu.Processor.Delay(50_000_000);
    Console.WriteLine($"missed: {vms[0].Stream.Missed} of {vms[0].Stream.Due}, and {vms[1].Stream.Missed} of {vms[1].Stream.Due}");
    await Choose(vms[0].Stream, "VM 1", setting: 0);
    await host.Cpu.Processor.Delay(5_000_000);
    Report();
    ReservationCounts counts = reservations.Counts;
    Console.WriteLine($"{counts.Changes} changes, {counts.Notices} notices, faults: {host.Faults.Total}");

    void Report() => Console.WriteLine(
        $"  VM 1 believes in {Most(vms[0].Controller)} us, VM 2 in {Most(vms[1].Controller)} us; the VMM promised {reservations.LoadNs / 1000} us");
}

int Most(EhciDriver driver) => (int)(driver.ReservedNs.ToArray().Max() / 1000);

async Task<(EhciDriver Controller, IsochronousDriver Stream)> Open(SharedUsbController sharing, int set)
{
    VirtualMachine vm = host.CreateMachine($"VM {set + 1}", 16 << 20);
    SourceId place = new(0, 4, 0);
    await sharing.Give(set, vm, place, set + 1);
    ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 15 << 20), vm.Cpu, place);
    EhciDriver driver = await EhciDriver.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40));
    new DummyWatch(driver, sharing.FirstInternalPort).Start();
    return (driver, IsochronousDriver.Open(await UsbDeviceHandle.Enumerate(driver, set + 1)));
}

async Task Choose(IsochronousDriver stream, string name, byte setting)
{
    try
    {
        await stream.Choose(setting);
        Console.WriteLine($"{name} chooses setting {setting}: granted");
    }
    catch (DriverException failure)
    {
        Console.WriteLine($"{name} chooses setting {setting}: {failure.Failure}");
    }
}

// It prints:
// VM 2 has a dummy at its port 3 for the device of VM 1: Bound
// VM 1 has a dummy at its port 3 for the device of VM 2: Bound
// VM 1 chooses setting 1: granted
//   VM 1 believes in 41 us, VM 2 in 41 us; the VMM promised 40 us
// VM 2 chooses setting 2: NoBandwidth
// VM 2 chooses setting 1: granted
//   VM 1 believes in 82 us, VM 2 in 82 us; the VMM promised 80 us
// missed: 0 of 384, and 0 of 384
// VM 1 chooses setting 0: granted
//   VM 1 believes in 41 us, VM 2 in 41 us; the VMM promised 40 us
// 3 changes, 3 notices, faults: 0
