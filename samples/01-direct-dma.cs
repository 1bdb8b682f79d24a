#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A guest's own drivers read a USB disk by direct DMA. Then the guest points its controller at memory that is not its
// own, and the remapping unit says no. Run it with: dotnet run samples/01-direct-dma.cs
using System.Security.Cryptography;
using System.Text;
using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

// 1. A host with a remapping unit, and an EHCI controller with a disk plugged in.
byte[] disk = new byte[64 * 512];
Encoding.ASCII.GetBytes("Hello from the first sector.").CopyTo(disk, 0);
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(disk)));
host.Pci.Add(controller, device: 0x1D);
host.Boot();

// 2. Two virtual machines. The first one gets the controller: its registers, its interrupt, and an empty address space.
VirtualMachine vm1 = host.CreateMachine("VM 1", 16 << 20);
VirtualMachine vm2 = host.CreateMachine("VM 2", 16 << 20);
host.Loop.Run(Play);

async Task Play()
{
    AssignmentResult assigned = await host.AssignmentOf(controller.Source).Assign(vm1, new SourceId(0, 4, 0));
    Console.WriteLine($"{controller.Source} is assigned to {vm1}: {assigned.IsDone}");

    // 3. Software of the guest. The HAL finds the device; each buffer that a driver maps becomes a hypercall.
    FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 15 << 20);
    SourceId place = new((ushort)(await vm1.Cpu.Call(Hypercall.FindDevice)).Value);
    ParavirtualDmaSpace dma = new(vm1.Cpu, frames, vm1.Cpu, place);
    PciDevice device = PciDevice.Open(vm1.Cpu, new PciConfigurationPorts(vm1.Cpu), place, dma, 0x40);

    // 4. Drivers that know the HAL alone: the controller, the device on the bus, the disk.
    EhciDriver ehci = await EhciDriver.Start(device);
    UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(ehci, port: 1);
    MassStorageDriver storage = await MassStorageDriver.Start(usb);
    MemoryBuffer buffer = dma.Allocate(disk.Length);
    await storage.Read(0, buffer);

    byte[] read = new byte[disk.Length];
    buffer.Read(0, read);
    Console.WriteLine($"VM 1 read {read.Length} bytes: \"{Encoding.ASCII.GetString(read, 0, 28)}\"");
    Console.WriteLine($"the same as the disk: {SHA256.HashData(read).SequenceEqual(SHA256.HashData(disk))}");
    await storage.Stop();
    await usb.Release();
    await ehci.Stop();

    // 5. One forbidden address: the guest lets the controller look for its schedule in the memory of VM 2.
    PhysicalAddress forbidden = vm2.Memory.Tables.Walk(new GuestPhysicalAddress(0x3000), EptRights.Read).Address;
    IRegisterWindow registers = device.OpenBar(0);
    int operational = registers.Read8(0);
    registers.Write32(operational + EhciOperationalOffsets.AsyncListAddress, (uint)forbidden.Value);
    registers.Write32(operational + EhciOperationalOffsets.UsbCommand, new UsbCommand { Run = true, AsyncEnable = true }.Raw.Value);
    await device.Processor.Delay(1_000_000);

    UsbStatus status = new(new(registers.Read32(operational + EhciOperationalOffsets.UsbStatus)));
    Console.WriteLine($"controller halted by a host system error: {status.HostSystemError}");
    foreach (LoggedFault fault in host.Faults.Log)
        Console.WriteLine($"fault: {fault.Fault.Source} of {fault.Machine}, reason {(int)fault.Fault.Reason:X}h {fault.Fault.Reason}, address {fault.Fault.Address}");

    // 6. Why: every entry that the walk for this address reads.
    WalkTranscript why = host.Unit.Explain(controller.Source, new Iova(forbidden.Value), write: false);
    foreach (WalkStep step in why.Steps)
        Console.WriteLine($"  {step.Structure,-16} level {step.Level} at {step.Address.Value,8:X}h: {step.Raw.Word0:X16}h");
    Console.WriteLine($"  refused: {why.Fault}");
}
