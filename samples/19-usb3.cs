#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// What USB 3 has and USB 2 has not, each thing measured with a guest's own drivers: two buses at one connector, devices that say
// when they are ready, bursts, streams, links that sleep. docs/usb3.md explains it. Run it with: dotnet run samples/19-usb3.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

byte[] content = new byte[1 << 20];
// 1. One connector, two root ports: the same disk through a whole cable and through one of USB 2. An endpoint that has nothing
// to say for 10 ms is asked again and again there, and once here: the device says itself when it is ready.
foreach (bool isWhole in (bool[])[false, true])
    Run(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Super), isWhole, async guest =>
    {
        IUsbPipe pipe = await guest.Usb.Open(guest.Usb.Configuration.Interfaces[0].Find(TransferType.Bulk, isIn: true)!);
        ulong before = guest.Statistics.NotReady;
        await pipe.Transfer((await guest.Dma.AllocateCoherent(64)).Mapping, timeoutNs: 10_000_000);
        string asked = $"{guest.Statistics.NotReady - before} {(isWhole ? "NRDY" : "NAK")} in 10 ms";
        await pipe.Close();
        Console.WriteLine($"port {guest.Port}, {guest.Usb.Connection.Location.Speed} speed: {await guest.ReadAll():F1} MB/s, {asked}, then {guest.Statistics.Ready} ERDY");
    });

// 2. Bursts: only the last packet of one is waited for.
foreach (int packets in (int[])[1, 16])
    Run(new MassStorageDevice(new MemoryDiskImage(content), new ScsiDiskOptions { BurstPackets = packets }, UsbSpeed.Super), true, async guest =>
        Console.WriteLine($"bursts of {packets}: {await guest.ReadAll():F1} MB/s"));

// 3. Streams: five reads of 128 KiB at once. The last one is urgent, and the device says whose turn it is.
Run(new UasDevice(new MemoryDiskImage(content), new ScsiDiskOptions { ReportsReset = false }, UsbSpeed.Super), true, async guest =>
{
    UasDriver disk = await UasDriver.Start(guest.Usb);
    await guest.Device.Processor.Delay(0);
    (ulong start, string done) = (guest.Loop.NowNs, "");
    await Task.WhenAll(Enumerable.Range(1, 5).Select(async number =>
    {
        await disk.Read((ulong)number * 256, guest.Dma.Allocate(128 << 10), isUrgent: number == 5);
        done += $", {number} after {(guest.Loop.NowNs - start) / 1e3:F0} us";
    }));
    Console.WriteLine($"reads that are done{done}");
});

// 4. Links: a request to a device that nobody spoke to for 10 ms. PORTPMSC says after what time the link goes to U1 and to U2.
foreach ((uint u1Us, uint u2Units) in ((uint, uint)[])[(0, 0), (100, 0), (100, 8)])
    Run(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.Super), true, async guest =>
    {
        IRegisterWindow registers = guest.Device.OpenBar(0);
        int at = registers.Read8(0) + 0x400 + (0x10 * (guest.Port - 1));
        registers.Write32(at + 4, u1Us | (u2Units << 8));
        await guest.Loop.Delay(10_000_000);
        (PortLinkState state, ulong start) = (new XhciPortStatusControl(new(registers.Read32(at))).LinkState, guest.Loop.NowNs);
        await guest.Usb.Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.GetStatus, 0, 0, new byte[2]);
        Console.WriteLine($"link in {state}: {(guest.Loop.NowNs - start) / 1e3:F1} us");
    });

void Run(IUsbDevice device, bool isWhole, Func<Guest, Task> play)
{
    using Host host = new(new HostOptions());
    XhciController controller = new(host.Loop);
    UsbConnector connector = controller.Connectors[0];
    connector.HasSuperSpeedWires = isWhole;
    connector.Plug(device);
    host.Pci.Add(controller, device: 0x14);
    host.Boot();
    VirtualMachine vm = host.CreateMachine("VM 1", 32 << 20);
    host.Loop.Run(async () =>
    {
        await host.AssignmentOf(controller.Source).Assign(vm, new SourceId(0, 4, 0));
        ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 31 << 20), vm.Cpu, new SourceId(0, 4, 0));
        PciDevice pci = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), new SourceId(0, 4, 0), dma, 0x40);
        UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(await UsbHostControllers.Start(pci), connector.Used!.Number);
        await play(new Guest(host.Loop, controller.Statistics, pci, dma, usb, connector.Used.Number));
    });
}

internal sealed record Guest(EventLoop Loop, XhciStatistics Statistics, PciDevice Device, ParavirtualDmaSpace Dma, UsbDeviceHandle Usb, int Port)
{
    public async Task<double> ReadAll()
    {
        MassStorageDriver disk = await MassStorageDriver.Start(Usb);
        ulong start = Loop.NowNs;
        await disk.Read(firstBlock: 0, Dma.Allocate(1 << 20));
        return (1 << 20) * 1000.0 / (Loop.NowNs - start);
    }
}

// It prints:
// port 1, High speed: 53.1 MB/s, 81 NAK in 10 ms, then 0 ERDY
// port 5, Super speed: 456.4 MB/s, 1 NRDY in 10 ms, then 1 ERDY
// bursts of 1: 313.5 MB/s
// bursts of 16: 457.2 MB/s
// reads that are done, 1 after 300 us, 5 after 583 us, 2 after 870 us, 3 after 1153 us, 4 after 1436 us
// link in U0: 17.2 us
// link in U1: 27.2 us
// link in U2: 2064.2 us
