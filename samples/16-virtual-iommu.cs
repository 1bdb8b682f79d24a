#:project ../Vmm/Vmm.csproj
#:property PublishAot=false

// The same guest maps and unmaps the same buffers for its USB controller in two ways: by hypercalls, and in the tables of a
// remapping unit of its own, which its VMM shadows. Run it with: dotnet run samples/16-virtual-iommu.cs
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

const ulong MiB = 1 << 20;
const int Buffers = 64, BufferBytes = 4 * 4096;
SourceId place = new(bus: 0, device: 2, function: 0);

Console.WriteLine("                    exits  hypercalls  invalidations by guest  by host  pages pinned  time");
Measure("hypercalls", hasUnit: false);
Measure("shadow", hasUnit: true);

void Measure(string name, bool hasUnit)
{
    // 1. A host, a guest, and a controller that the guest gets.
    using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB });
    EhciController controller = new(host.Loop);
    host.Pci.Add(controller, 0x1D);
    host.Boot();
    VirtualMachine guest = host.CreateMachine("guest", 16 * MiB);
    if (hasUnit)
        guest.AddIommu(new() { BeforeTranslation = BeforeTranslation.Nothing });
    host.Loop.Run(() => host.AssignmentOf(controller.Source).Assign(guest, place).AsTask());

    // 2. The guest's software: whoever uses the DMA API does not know which of the two it is.
    DmaSpace dma = host.Loop.Run(() => hasUnit ? OwnUnit(guest) : Hypercalls(guest));

    // 3. The stream, and what it cost.
    Meter meter = guest.Cpu.Processor.Meter;
    (ulong exits, ulong calls, ulong byHost, ulong start) = (meter[Cost.Exit], meter[Cost.Hypercall], host.Remapping.Invalidations, host.Loop.NowNs);
    ulong byGuest = guest.Iommu?.Invalidations ?? 0;
    ulong pinned = 0;
    host.Loop.Run(async () =>
    {
        for (int buffer = 0; buffer < Buffers; buffer++)
        {
            MemoryBuffer memory = dma.Allocate(BufferBytes);
            DmaMapping mapping = (await dma.Map(memory, DmaDirection.Bidirectional)).Mapping;
            pinned = Math.Max(pinned, guest.PinnedPages);
            await dma.Unmap(mapping);
            dma.Free(memory);
        }
    });
    Console.WriteLine(
        $"{name,-18} {meter[Cost.Exit] - exits,6} {meter[Cost.Hypercall] - calls,11} {(guest.Iommu?.Invalidations ?? 0) - byGuest,23}"
        + $" {host.Remapping.Invalidations - byHost,8} {pinned,13} {(host.Loop.NowNs - start) / 1000,5} us");
    host.Loop.Run(() => host.Destroy(guest).AsTask());
    if (host.Frames.Pins != 0)
        throw new InvalidOperationException("A page is still pinned.");
}

async Task<DmaSpace> Hypercalls(VirtualMachine guest)
{
    HypercallResult handle = await guest.Cpu.Call(Hypercall.FindDevice);
    return new ParavirtualDmaSpace(guest.Cpu, new(new(4 * MiB), 8 * MiB), guest.Cpu, new((ushort)handle.Value));
}

// The driver of the host, in the guest: on the guest's registers, with tables in the guest's memory.
async Task<DmaSpace> OwnUnit(VirtualMachine guest)
{
    RemappingOptions options = new(FaultVector: 0x41) { HostAddressWidth = guest.Iommu!.Profile.HostAddressWidth };
    RemappingDriver driver = await RemappingDriver.Start(guest.Cpu, VirtualIommu.Registers, new(new(1 * MiB), 2 * MiB), options);
    RemappingDomain domain = driver.CreateDomain();
    await driver.Attach(place, domain);
    return new RemappedDmaSpace(guest.Cpu, new(new(4 * MiB), 8 * MiB), domain, new(new(256 * MiB), 16 * MiB));
}

// It prints:
//                     exits  hypercalls  invalidations by guest  by host  pages pinned  time
// hypercalls            128         128                       0       64             4   448 us
// shadow                256           0                     128       64             4   704 us
