#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// The registers of a USB controller are a page of memory that a second processor polls. First a write that clears a one, and two
// writes at once; then a driver reads its disk. docs/mechanisms/h-exitless-polling.md explains it.
// Run it with: dotnet run samples/28-exitless-polling.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

foreach (PolledAccess access in (PolledAccess[])[PolledAccess.Trapped, PolledAccess.EveryPage, PolledAccess.WriteRing])
    Show(access);

static void Show(PolledAccess access)
{
    // 1. A host, a VM, and in it a controller made of software with a disk. A poller stands between the two.
    using Host host = new(new HostOptions());
    host.Boot();
    EhciController controller = new(host.Loop);
    controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(new byte[1 << 20])));
    VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
    RegisterPoller poller = new(host);
    SourceId place = new(0, 4, 0);
    _ = poller.Plug(vm, controller, place, access);
    host.Loop.Run(Play);

    async Task Play()
    {
        // 2. The HAL: where the VMM offers a ring for writes, it uses it. The driver above it sees registers as ever.
        IdentityDmaSpace dma = new(vm.Cpu, new(new GuestPhysicalAddress(1 << 20), 14 << 20));
        ExitlessDevice device = new(vm.Cpu, PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40));
        IRegisterWindow registers = device.OpenBar(0);
        int first = registers.Read8(EhciCapabilityOffsets.Length);
        int status = first + EhciOperationalOffsets.UsbStatus;
        int enable = first + EhciOperationalOffsets.InterruptEnable;

        // 3. The controller runs and finds the disk: USBSTS is 4, port change. The guest writes 4 over the 4 to clear it.
        registers.Write32(first + EhciOperationalOffsets.UsbCommand, 0x80001);
        registers.Write32(first + EhciOperationalOffsets.ConfigureFlag, 1);
        await device.Processor.Delay(1_000_000);
        uint before = registers.Read32(status);
        registers.Write32(status, before);
        await device.Processor.Delay(1_000_000);
        Console.WriteLine($"{access}: USBSTS is {before}, the guest writes {before} to clear it, and it is {controller.ReadBar(0, (ulong)status, 4)}");

        // 4. Two writes at once to a register that takes values.
        ulong[] changes = [poller.Counts.Changes, poller.Counts.RingWrites];
        registers.Write32(enable, 1);
        registers.Write32(enable, 2);
        await device.Processor.Delay(1_000_000);
        string seen = access == PolledAccess.Trapped ? "by two exits" : $"by the poller: {poller.Counts.Changes - changes[0] + poller.Counts.RingWrites - changes[1]}";
        Console.WriteLine($"  two writes to USBINTR are seen {seen}; it is {controller.ReadBar(0, (ulong)enable, 4)}");

        // 5. A driver that knows nothing of this reads 64 times 16 KiB.
        try
        {
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), 1));
            MemoryBuffer buffer = dma.Allocate(16384);
            (ulong exits, ulong startNs, ulong burnedNs) = (vm.Cpu.Processor.Meter[Cost.Exit], host.Loop.NowNs, poller.Counts.BurnedNs);
            for (ulong block = 0; block < 2048; block += 32)
                await disk.Read(block, buffer);
            double burned = access == PolledAccess.Trapped ? 0 : 100.0 * (poller.Counts.BurnedNs - burnedNs) / (host.Loop.NowNs - startNs);
            Console.WriteLine($"  64 reads: {vm.Cpu.Processor.Meter[Cost.Exit] - exits} exits, {(host.Loop.NowNs - startNs) / 64_000} us each, {burned:F0} % of a processor burned");
        }
        catch (DriverException failure)
        {
            Console.WriteLine($"  the driver gives up: {failure.Failure}");
        }
    }
}

// It prints:
// Trapped: USBSTS is 4, the guest writes 4 to clear it, and it is 0
//   two writes to USBINTR are seen by two exits; it is 2
//   64 reads: 384 exits, 1000 us each, 0 % of a processor burned
// EveryPage: USBSTS is 4, the guest writes 4 to clear it, and it is 4
//   two writes to USBINTR are seen by the poller: 1; it is 2
//   the driver gives up: NotHighSpeed
// WriteRing: USBSTS is 4, the guest writes 4 to clear it, and it is 0
//   two writes to USBINTR are seen by the poller: 2; it is 2
//   64 reads: 0 exits, 1000 us each, 31 % of a processor burned
