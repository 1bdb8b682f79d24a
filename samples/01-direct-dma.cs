// A guest's own driver reads its disk by direct DMA; then it uses one address that is no longer its own.
// Run it with `dotnet run samples/01-direct-dma.cs`.
#:property PublishAot=false
#:project Drivers/Drivers.csproj
#:project ../Vmm/Vmm.csproj

using System.Security.Cryptography;
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

// 1. A computer: memory, a VT-d unit, and a USB controller with a disk of one mebibyte.
byte[] content = new byte[1 << 20];
new Random(1).NextBytes(content);
using Host host = new(new() { MemoryBytes = 256 << 20 });
EhciController controller = new(host.Loop);
controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
host.Pci.Add(controller, device: 0x1D);
host.Boot();
host.Loop.Run(Play);

// All software is asynchronous, in virtual time: an await lets the hardware work meanwhile.
async Task Play()
{
    // 2. A virtual machine gets the controller. From now on its DMA goes through tables in which nothing is mapped yet.
    VirtualMachine machine = host.CreateMachine("VM 1", 16 << 20);
    AssignmentResult assigned = await host.AssignmentOf(controller.Source).Assign(machine, new(0, 4, 0));
    Console.WriteLine($"The controller {controller.Source} goes to {machine}: {assigned.Reason}.");

    // 3. The HAL of the guest: it asks the VMM which device it has, and by hypercalls for every mapping.
    GuestCpu cpu = machine.Cpu;
    HypercallResult found = await cpu.Call(Hypercall.FindDevice);
    SourceId handle = new((ushort)found.Value);
    FrameAllocator frames = new(start: new(1 << 20), length: 15 << 20);
    ParavirtualDmaSpace dma = new(cpu, frames, cpu, handle);
    PciDevice device = PciDevice.Open(cpu, new PciConfigurationPorts(cpu), handle, dma, vector: 0x40);

    // 4. The drivers know the HAL alone; on bare metal they are the same.
    EhciDriver ehci = await EhciDriver.Start(device);
    UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(ehci, port: 1);
    MassStorageDriver disk = await MassStorageDriver.Start(usb);
    Console.WriteLine($"In the guest: {disk.Name}, {disk.BlockCount} blocks of {disk.BlockBytes} bytes.");

    // 5. The whole disk in one read: mapped, moved by the controller without a copy, unmapped.
    MemoryBuffer buffer = dma.Allocate(content.Length);
    await disk.Read(firstBlock: 0, buffer);
    byte[] read = new byte[content.Length];
    buffer.Read(0, read);
    bool isSame = SHA256.HashData(read).SequenceEqual(SHA256.HashData(content));
    Console.WriteLine($"Read by DMA: {read.Length} bytes, {(isSame ? "the same" : "NOT the same")} as on the disk.");
    Console.WriteLine($"Faults so far: {host.Faults.Total}.");

    // 6. One forbidden address: a mapping that was taken back. The driver still has its number, and makes the
    //    controller read from there.
    DmaMapping stale = (await dma.Map(buffer.Slice(0, 512), DmaDirection.ToDevice)).Mapping;
    await dma.Unmap(stale);
    await disk.Stop();
    EndpointDescriptor endpoint = usb.Configuration.Interfaces[0].Endpoints.First(endpoint => !endpoint.In);
    EhciPipe pipe = ehci.OpenBulk(usb.Address, endpoint.Number, endpoint.MaxPacketSize);
    TransferResult result = await ehci.Bulk(pipe, stale, isIn: false, timeoutNs: 1_000_000_000);
    Console.WriteLine($"A read at {stale.DeviceAddress}, which is unmapped: {result.Status} after {result.Bytes} bytes.");

    // 7. The unit recorded who wanted what, and the VMM read it from the unit's registers.
    await cpu.Processor.Delay(100_000);
    LoggedFault logged = host.Faults.Log.Single();
    Console.WriteLine($"The fault: reason {(int)logged.Fault.Reason:X}h, {logged.Fault.Reason}, "
        + $"{logged.Fault.Source} {(logged.Fault.Write ? "writing" : "reading")} {logged.Fault.Address}, a device of {logged.Machine}.");
    Console.WriteLine("The entry for that page is gone from the tables, so nothing may be read there: the bus answered with an");
    Console.WriteLine("error, and the controller stopped with a host system error, as the hardware does.");
}

// It prints:
// The controller 00:1d.0 goes to VM 1: done.
// In the guest: DMA Simulated Disk, 2048 blocks of 512 bytes.
// Read by DMA: 1048576 bytes, the same as on the disk.
// Faults so far: 0.
// A read at 80003000h (I/O), which is unmapped: ControllerStopped after 0 bytes.
// The fault: reason 6h, ReadNotPermitted, 00:1d.0 reading 80003000h (I/O), a device of VM 1.
// The entry for that page is gone from the tables, so nothing may be read there: the bus answered with an
// error, and the controller stopped with a host system error, as the hardware does.
