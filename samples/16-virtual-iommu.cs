#:project ../Vmm/Vmm.csproj
#:property PublishAot=false

// The same guest maps and unmaps the same buffers for its USB controller in three ways: by hypercalls, in the tables of a
// remapping unit of its own which its VMM shadows, and in first-stage tables of its own which the host's unit walks itself.
// Run it with: dotnet run samples/16-virtual-iommu.cs
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

const ulong MiB = 1 << 20;
const int Buffers = 64, BufferBytes = 4 * 4096;
SourceId place = new(bus: 0, device: 2, function: 0);
MappingOptions deferred = new() { Policy = MappingPolicy.Deferred };

Console.WriteLine("                  exits: map  unmap  invalidations by guest  by host  pages pinned  time");
Measure("hypercalls", mode: null, MappingOptions.Strict);
Measure("shadow", VirtualIommuMode.Shadow, MappingOptions.Strict);
Measure("nested", VirtualIommuMode.Nested, MappingOptions.Strict);
Measure("shadow, deferred", VirtualIommuMode.Shadow, deferred);
Measure("nested, deferred", VirtualIommuMode.Nested, deferred);

void Measure(string name, VirtualIommuMode? mode, MappingOptions policy)
{
    // 1. A host whose unit can nest, a guest, and a controller that the guest gets.
    using Host host = new(new() { MemoryBytes = 64 * MiB, VmmBytes = 16 * MiB, Profile = HardwareProfile.Named("friendly-scalable"), Scalable = true });
    EhciController controller = new(host.Loop);
    host.Pci.Add(controller, 0x1D);
    host.Boot();
    VirtualMachine guest = host.CreateMachine("guest", 16 * MiB);
    if (mode is { } chosen)
        guest.AddIommu(new() { Mode = chosen, BeforeTranslation = BeforeTranslation.Nothing });
    host.Loop.Run(() => host.AssignmentOf(controller.Source).Assign(guest, place).AsTask());

    // 2. The guest's software: whoever uses the DMA API does not know which of the three it is.
    DmaSpace dma = host.Loop.Run(() => mode is null ? Hypercalls(guest) : OwnUnit(guest, policy));

    // 3. The stream, beside a ring that stays mapped, and what it cost.
    _ = host.Loop.Run(() => dma.Map(dma.Allocate(4096), DmaDirection.Bidirectional).AsTask());
    Meter meter = guest.Cpu.Processor.Meter;
    (ulong byHost, ulong byGuest, ulong start) = (host.Remapping.Invalidations, guest.Iommu?.Invalidations ?? 0, host.Loop.NowNs);
    (ulong toMap, ulong toUnmap, ulong pinned) = (0, 0, 0);
    host.Loop.Run(async () =>
    {
        for (int buffer = 0; buffer < Buffers; buffer++)
        {
            MemoryBuffer memory = dma.Allocate(BufferBytes);
            ulong before = meter[Cost.Exit];
            DmaMapping mapping = (await dma.Map(memory, DmaDirection.Bidirectional)).Mapping;
            ulong between = meter[Cost.Exit];
            pinned = Math.Max(pinned, guest.PinnedPages);
            await dma.Unmap(mapping);
            (toMap, toUnmap) = (toMap + between - before, toUnmap + meter[Cost.Exit] - between);
            dma.Free(memory);
        }

        // What waits, is told the unit in one go.
        ulong waiting = meter[Cost.Exit];
        if (dma is RemappedDmaSpace own)
            await own.Flush();
        toUnmap += meter[Cost.Exit] - waiting;
    });
    Console.WriteLine(
        $"{name,-18} {toMap,9} {toUnmap,6} {(guest.Iommu?.Invalidations ?? 0) - byGuest,23}"
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

// The driver of the host, in the guest: on the guest's registers, with tables in the guest's memory, of the stage that its unit has.
async Task<DmaSpace> OwnUnit(VirtualMachine guest, MappingOptions policy)
{
    RemappingOptions options = new(FaultVector: 0x41)
    {
        HostAddressWidth = guest.Iommu!.Profile.HostAddressWidth,
        Scalable = guest.Iommu.Options.Mode == VirtualIommuMode.Nested,
    };
    RemappingDriver driver = await RemappingDriver.Start(guest.Cpu, VirtualIommu.Registers, new(new(1 * MiB), 2 * MiB), options);
    RemappingDomain domain = driver.CreateDomain();
    await driver.Attach(place, domain);
    return new RemappedDmaSpace(guest.Cpu, new(new(4 * MiB), 8 * MiB), domain, new(new(256 * MiB), 16 * MiB), policy);
}

// It prints:
//                   exits: map  unmap  invalidations by guest  by host  pages pinned  time
// hypercalls                64     64                       0       64             5   448 us
// shadow                   128    128                     128       64             5   704 us
// nested                     0    128                      64       64          4096   352 us
// shadow, deferred         128      2                      65       64             5   357 us
// nested, deferred           0      2                       1        1          4096     5 us
