#:project ../Vmm/Vmm.csproj
#:project Devices/Devices.csproj
#:property PublishAot=false

// A device follows the pointers of two processes, on bare metal and in a guest; missing pages come when it touches them.
// docs/page-requests.md explains it. Run it with: dotnet run samples/12-shared-address-space.cs
using Dma.Devices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

// 1. A host whose remapping unit knows processes, and a device that can follow a list and ask for pages.
using Host host = new(new HostOptions { Profile = HardwareProfile.Named("friendly-scalable"), Scalable = true });
PagingDevice device = new(host.Loop);
host.Pci.Add(device, device: 3);
host.Boot();
host.Loop.Run(Play);

async Task Play()
{
    // 2. Bare metal: without PASID the device reaches nothing; with PASID 1 or 2 it is in process 1 or 2.
    host.Frames.TryAllocate(FrameOwner.Vmm, FrameSize.Page2M, out PhysicalAddress memory);
    IConfigurationAccess space = host.Configuration.Open(device.Source);
    space.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
    PciPageRequests requests = new(host.Cpu, space, device.Source);
    requests.EnablePasids();
    await host.Remapping.Attach(device.Source, host.Remapping.CreateDomain(), DeviceTlbControl.TryFind(space, device.Source));
    requests.Enable(8);
    for (uint number = 1; number <= 2; number++)
    {
        Process process = new(host.Cpu, new GuestPhysicalAddress(memory.Value + (number << 16)), Value: number);
        await host.Remapping.Processes!.Bind(device.Source, new Pasid(number), process.Root, new ProcessOptions());
        await host.Remapping.PageRequests!.Serve(device.Source, new Pasid(number), process);
        await Follow($"process {number}", number);
    }

    await requests.Disable();
    foreach (ProcessBinding binding in host.Remapping.Processes!.Bindings.ToArray()) await binding.Unbind();
    await host.Remapping.Detach(device.Source);

    // 3. A guest with 4 MiB and no more than 16 frames: its processes have the first stage, the VMM the second.
    VirtualMachine vm = host.TryCreateLazyMachine("VM 1", 4 << 20, framesMax: 16)!;
    Assignment assignment = host.AssignmentOf(device.Source);
    assignment.TrustsDeviceTlb = true;
    await assignment.Assign(vm, new SourceId(0, 4, 0));
    vm.Pci.WriteConfiguration(new SourceId(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.MemorySpace | PciCommand.BusMaster));
    for (uint number = 1; number <= 2; number++)
    {
        Process process = new(vm.Cpu, new GuestPhysicalAddress(number << 20), Value: 100 * number);
        await assignment.Lazy!.Share(new Pasid(number), process.Root, process);
        await Follow($"process {number} of {vm}", number);
    }
    Console.WriteLine($"faults: {host.Faults.Total}, pages of {vm} that went again: {vm.Memory.Lazy!.PagedOut}");
}

// The device follows the list of a process and adds up what it finds there.
async Task Follow(string name, uint pasid)
{
    PhysicalAddress bar = new(device.DecodedAt(0)!.Value);
    host.Bus.Store(bar, 8, Process.Nodes[0]);
    host.Bus.Store(bar + 0x08, 8, 100 | ((ulong)pasid << 32) | (1ul << 63)); // at the most 100 nodes, with this PASID
    host.Bus.Store(bar + 0x10, 4, 3);
    while (host.Bus.Load(bar + 0x14, 4) == (ulong)PagingOutcome.Busy)
        await host.Cpu.Processor.Delay(1000);
    Console.WriteLine($"{name}: {(PagingOutcome)host.Bus.Load(bar + 0x14, 4)}, sum {host.Bus.Load(bar + 0x20, 8)}, pages asked for so far: {host.Bus.Load(bar + 0x18, 4)}");
}

// A process: a page table as the processor has it, and a list of which no page is there before it is touched.
internal sealed record Process(ICpu Cpu, GuestPhysicalAddress Root, ulong Value) : IPageSupplier
{
    private GuestPhysicalAddress _next = Root;
    public static ulong[] Nodes { get; } = [0x7F00_0000_0000, 0x1_2345_6000, 0x5555_0000_0000];

    public ValueTask<PageResponseCode> Supply(PageRequestGroup group)
    {
        (ulong address, GuestPhysicalAddress at) = (group.Pages[0].Address.Value, Root);
        if (Array.IndexOf(Nodes, address) is var node && node < 0)
            return new(PageResponseCode.InvalidRequest);
        for (int level = 4; level >= 1; level--)
        {
            GuestPhysicalAddress place = at + (((address >> (3 + (9 * level))) & 0x1FF) * 8);
            FirstStageEntry entry = new(new(Cpu.Load(place, 8)));
            at = entry.Present ? new(entry.Address.Value) : _next += 4096;
            Cpu.Store(place, 8, new FirstStageEntry { Present = true, Writable = true, User = true, Address = new(at.Value) }.Raw.Value);
        }
        Cpu.Store(at, 8, Nodes.ElementAtOrDefault(node + 1));
        Cpu.Store(at + 8, 8, Value);
        return new(PageResponseCode.Success);
    }
}

// It prints:
// process 1: Done, sum 3, pages asked for so far: 3
// process 2: Done, sum 6, pages asked for so far: 6
// process 1 of VM 1: Done, sum 300, pages asked for so far: 4
// process 2 of VM 1: Done, sum 600, pages asked for so far: 8
// faults: 0, pages of VM 1 that went again: 10
