#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A guest's own drivers read a USB disk by direct DMA. Then the guest makes its driver use memory that is not its own,
// and the remapping unit says no. Run it with: dotnet run samples/01-direct-dma.cs
using System.Security.Cryptography;
using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host with a remapping unit, and an EHCI controller with a disk plugged in.
byte[] content = new byte[1 << 20];
Encoding.ASCII.GetBytes("Hello from the first sector.").CopyTo(content, 0);
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
host.Pci.Add(controller, device: 0x1D);
host.Boot();

// 2. Two virtual machines. The first one gets the controller: its registers, its interrupt, and an empty address space.
VirtualMachine vm1 = host.CreateMachine("VM 1", 16 << 20);
VirtualMachine vm2 = host.CreateMachine("VM 2", 16 << 20);
host.Loop.Run(Play);

// Software is asynchronous, in virtual time: an await lets the hardware work meanwhile.
async Task Play()
{
    AssignmentResult assigned = await host.AssignmentOf(controller.Source).Assign(vm1, new SourceId(0, 4, 0));
    Console.WriteLine($"{controller.Source} goes to {vm1}: {assigned.Reason}");

    // 3. The HAL of the guest. It finds the device; each buffer that a driver maps becomes a hypercall.
    FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 15 << 20);
    SourceId place = new((ushort)(await vm1.Cpu.Call(Hypercall.FindDevice)).Value);
    ParavirtualDmaSpace dma = new(vm1.Cpu, frames, vm1.Cpu, place);
    PciDevice device = PciDevice.Open(vm1.Cpu, new PciConfigurationPorts(vm1.Cpu), place, dma, 0x40);

    // 4. Drivers that know the HAL alone: the controller, the device on the bus, the disk. On bare metal they are the same.
    EhciDriver ehci = await EhciDriver.Start(device);
    UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(ehci, port: 1);
    MassStorageDriver disk = await MassStorageDriver.Start(usb);
    Console.WriteLine($"{disk.Name}: {disk.BlockCount} blocks of {disk.BlockBytes} bytes");

    // 5. The whole disk in one call: mapped, moved by the controller without a copy, unmapped.
    MemoryBuffer buffer = dma.Allocate(content.Length);
    await disk.Read(firstBlock: 0, buffer);
    byte[] read = new byte[content.Length];
    buffer.Read(0, read);
    Console.WriteLine($"VM 1 read {read.Length} bytes: \"{Encoding.ASCII.GetString(read, 0, 28)}\"");
    Console.WriteLine($"the same as the disk: {SHA256.HashData(read).SequenceEqual(SHA256.HashData(content))}, faults: {host.Faults.Total}");

    // 6. One forbidden address: a mapping that nobody made, of memory of VM 2. The driver lets the disk be sent from there.
    PhysicalAddress secret = vm2.Memory.Tables.Walk(new GuestPhysicalAddress(0x3000), EptRights.Read).Address;
    DmaMapping forged = new(new Iova(secret.Value), 512, DmaDirection.ToDevice);
    await disk.Stop();
    IUsbPipe pipe = await usb.Open(usb.Configuration.Interfaces[0].Endpoints.First(endpoint => !endpoint.In));
    TransferResult result = await pipe.Transfer(forged, timeoutNs: 1_000_000_000);
    Console.WriteLine($"sending memory of VM 2: {result.Status}, {result.Bytes} bytes");

    // 7. The refused read stopped the controller. The unit recorded the fault, and the VMM read the record.
    await device.Processor.Delay(100_000);
    foreach (LoggedFault fault in host.Faults.Log)
        Console.WriteLine($"fault: {fault.Fault.Source} of {fault.Machine}, reason {(int)fault.Fault.Reason:X}h {fault.Fault.Reason}, address {fault.Fault.Address}");

    // 8. Why: every entry that the walk for this address reads. The last one has no right to read.
    WalkTranscript why = host.Unit.Explain(controller.Source, forged.DeviceAddress, write: false);
    foreach (WalkStep step in why.Steps.Where(step => step.Structure != WalkStructure.Request))
        Console.WriteLine($"  at {step.Address.Value,8:X}h: {step.Raw.Word0:X16}h  {step.Structure}{(step.Level == 0 ? "" : $", level {step.Level}")}");
    Console.WriteLine($"  refused: {why.Fault}");
}

// It prints:
// 00:1d.0 goes to VM 1: done
// DMA Simulated Disk: 2048 blocks of 512 bytes
// VM 1 read 1048576 bytes: "Hello from the first sector."
// the same as the disk: True, faults: 0
// sending memory of VM 2: ControllerStopped, 0 bytes
// fault: 00:1d.0 of VM 1, reason 6h ReadNotPermitted, address 5203000h (I/O)
//   at   100000h: 0000000000184001h  Root
//   at   184E80h: 0000000000183001h  Context
//   at   183000h: 0000000000185003h  SecondStage, level 5
//   at   185000h: 0000000000186003h  SecondStage, level 4
//   at   186000h: 0000000000000000h  SecondStage, level 3
//   refused: ReadNotPermitted
