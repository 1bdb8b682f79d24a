#:project ../Vmm/Vmm.csproj
#:project Devices/Devices.csproj
#:property PublishAot=false

// A guest has 8 MiB of memory and 32 frames. Pages come when its processor or its device touches them, and go when others
// need their frames; the device asks for what it misses, and nothing is pinned. docs/page-requests.md explains it.
// Run it with: dotnet run samples/13-lazy-paging.cs
using Dma.Devices;
using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;

// 1. A host in scalable mode, a device that can ask for pages, and a VM that gets it.
using Host host = new(new HostOptions { Profile = HardwareProfile.Named("friendly-scalable"), Scalable = true });
PagingDevice device = new(host.Loop);
host.Pci.Add(device, device: 3);
host.Boot();
VirtualMachine vm = host.TryCreateLazyMachine("VM 1", 8 << 20, framesMax: 32)!;
LazyMemory memory = vm.Memory.Lazy!;
host.Loop.Run(Play);

async Task Play()
{
    host.AssignmentOf(device.Source).TrustsDeviceTlb = true;
    await host.AssignmentOf(device.Source).Assign(vm, new SourceId(0, 4, 0));
    vm.Pci.WriteConfiguration(new SourceId(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.MemorySpace | PciCommand.BusMaster));
    Tell("at the beginning");

    // 2. The processor writes a megabyte: 256 pages through 32 frames.
    byte[] page = new byte[4096];
    for (int number = 0; number < 256; number++)
    {
        Array.Fill(page, (byte)number);
        vm.Cpu.TryWrite(new GuestPhysicalAddress((ulong)number << 12), page);
    }

    Tell("after the processor has written 256 pages");

    // 3. The device reads the first 16 of them, which went out long ago, and writes them somewhere else.
    await Run(command: 1, address: 0, length: 64 << 10);
    Tell("after the device has read 16 pages");
    await Run(command: 2, address: 4 << 20, length: 64 << 10);
    Tell("after the device has written 16 pages");

    // 4. Nothing was lost: the processor finds both copies.
    int wrong = 0;
    for (int number = 0; number < 16; number++)
    {
        foreach (ulong at in (ulong[])[(ulong)number << 12, (4ul << 20) + ((ulong)number << 12)])
        {
            vm.Cpu.TryRead(new GuestPhysicalAddress(at), page);
            wrong += page.Count(value => value != number);
        }
    }

    Tell("after the processor has read both copies");
    Console.WriteLine($"bytes that are wrong: {wrong}; pages that were taken back from the device: {host.AssignmentOf(device.Source).Lazy!.TakenBack}");

    // 5. What is no memory of the VM, the device does not get.
    await Run(command: 1, address: 8 << 20, length: 8);
    await host.Destroy(vm);
    Console.WriteLine($"frames of the VM after its end: {host.Frames.CountOf(vm.Owner)}, faults: {host.Faults.Total}");
}

async Task Run(uint command, ulong address, uint length)
{
    PhysicalAddress bar = new(device.DecodedAt(0)!.Value);
    uint before = (uint)host.Bus.Load(bar + 0x18, 4);
    host.Bus.Store(bar, 8, address);
    host.Bus.Store(bar + 0x08, 4, length);
    host.Bus.Store(bar + 0x10, 4, command);
    while ((PagingOutcome)host.Bus.Load(bar + 0x14, 4) == PagingOutcome.Busy)
        await host.Cpu.Processor.Delay(1000);
    Console.WriteLine($"{(command == 1 ? "read" : "write")} {length} bytes at {address:X}h: {(PagingOutcome)host.Bus.Load(bar + 0x14, 4)}, asked for {host.Bus.Load(bar + 0x18, 4) - before} pages");
}

void Tell(string when) =>
    Console.WriteLine($"{when}: {memory.ResidentPages} pages are there, {memory.DevicePages} for the device; {memory.PagedIn} came, {memory.PagedOut} went");

// It prints:
// at the beginning: 0 pages are there, 0 for the device; 0 came, 0 went
// after the processor has written 256 pages: 32 pages are there, 0 for the device; 256 came, 224 went
// read 65536 bytes at 0h: Done, asked for 16 pages
// after the device has read 16 pages: 32 pages are there, 16 for the device; 272 came, 240 went
// write 65536 bytes at 400000h: Done, asked for 16 pages
// after the device has written 16 pages: 32 pages are there, 16 for the device; 288 came, 256 went
// after the processor has read both copies: 32 pages are there, 16 for the device; 288 came, 256 went
// bytes that are wrong: 0; pages that were taken back from the device: 16
// read 8 bytes at 800000h: InvalidRequest, asked for 1 pages
// frames of the VM after its end: 0, faults: 0
