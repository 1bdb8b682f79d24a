#:project ../Vmm/Vmm.csproj
#:project Devices/Devices.csproj
#:property PublishAot=false

// A device works for two processes in their own address spaces: it follows their pointers, and pages that are missing
// come when it touches them. First on bare metal, then for processes of a guest whose memory itself comes late.
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
    RemappingDomain nothing = host.Remapping.CreateDomain();
    await host.Remapping.Attach(device.Source, nothing, hasDeviceTlb: true);
    IConfigurationAccess space = host.Configuration.Open(device.Source);
    space.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
    PciAddressTranslation translation = new(host.Cpu, space, device.Source);
    translation.Enable(pageRequests: 8);
    for (uint number = 1; number <= 2; number++)
    {
        Process process = new(host.Cpu, new GuestPhysicalAddress(memory.Value + (number << 16)), value: number);
        await host.Remapping.Processes!.Bind(device.Source, new Pasid(number), process.Root, new ProcessOptions());
        await host.Remapping.PageRequests!.Serve(device.Source, new Pasid(number), process);
        await Follow($"process {number}", number, process);
    }

    foreach (ProcessBinding binding in host.Remapping.Processes!.Bindings.ToArray())
        await binding.Unbind();
    await host.Remapping.Detach(device.Source);
    await translation.Disable();

    // 3. A guest with 4 MiB and no more than 16 frames: its processes have the first stage, the VMM the second.
    VirtualMachine vm = host.TryCreateLazyMachine("VM 1", 4 << 20, framesMax: 16)!;
    await host.AssignmentOf(device.Source).Assign(vm, new SourceId(0, 4, 0));
    vm.Pci.WriteConfiguration(new SourceId(0, 4, 0), PciOffset.Command, 2, (uint)(PciCommand.MemorySpace | PciCommand.BusMaster));
    for (uint number = 1; number <= 2; number++)
    {
        Process process = new(vm.Cpu, new GuestPhysicalAddress(number << 20), value: 100 * number);
        await host.AssignmentOf(device.Source).Lazy!.Share(new Pasid(number), process.Root, process);
        await Follow($"process {number} of {vm}", number, process);
    }

    Console.WriteLine($"VM 1: {vm.Memory.Lazy!.PagedIn} pages came, {vm.Memory.Lazy.PagedOut} went; faults: {host.Faults.Total}");
}

// The device follows the list of a process and adds up what it finds there.
async Task Follow(string name, uint pasid, Process process)
{
    PhysicalAddress bar = new(device.DecodedAt(0)!.Value);
    uint before = (uint)host.Bus.Load(bar + 0x18, 4);
    host.Bus.Store(bar, 8, Process.Nodes[0]);
    host.Bus.Store(bar + 0x08, 4, 100);
    host.Bus.Store(bar + 0x0C, 4, (1u << 31) | pasid);
    host.Bus.Store(bar + 0x10, 4, 3);
    while ((PagingOutcome)host.Bus.Load(bar + 0x14, 4) == PagingOutcome.Busy)
        await host.Cpu.Processor.Delay(1000);
    Console.WriteLine($"{name}: {(PagingOutcome)host.Bus.Load(bar + 0x14, 4)}, sum {host.Bus.Load(bar + 0x20, 8)}, asked for {host.Bus.Load(bar + 0x18, 4) - before} pages, the process supplied {process.Supplied}");
}

// A process: a page table as the processor has it, and a list of which no page is there before it is touched.
internal sealed class Process(ICpu cpu, GuestPhysicalAddress next, ulong value) : IPageSupplier
{
    public static ulong[] Nodes { get; } = [0x7F00_0000_0000, 0x1_2345_6000, 0x5555_0000_0000];
    public GuestPhysicalAddress Root { get; } = next;
    public int Supplied { get; private set; }

    public ValueTask<PageResponseCode> Supply(PageRequestGroup group)
    {
        ulong address = group.Pages[0].Address.Value;
        int node = Array.IndexOf(Nodes, address);
        if (node < 0)
            return new(PageResponseCode.InvalidRequest);
        GuestPhysicalAddress at = Root;
        for (int level = 4; level >= 1; level--)
        {
            GuestPhysicalAddress place = at + (((address >> (3 + (9 * level))) & 0x1FF) * 8);
            FirstStageEntry entry = new(new Bits64(cpu.Load(place, 8)));
            at = entry.Present ? new GuestPhysicalAddress(entry.Address.Value) : next += 4096;
            cpu.Store(place, 8, new FirstStageEntry { Present = true, Writable = true, User = true, Address = new PhysicalAddress(at.Value) }.Raw.Value);
        }

        cpu.Store(at, 8, Nodes.ElementAtOrDefault(node + 1));
        cpu.Store(at + 8, 8, value);
        Supplied++;
        return new(PageResponseCode.Success);
    }
}

// It prints:
// ?
