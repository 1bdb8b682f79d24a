#:project ../Iommu/Iommu.csproj
#:property PublishAot=false

// A driver takes a page away from a device and forgets to tell the remapping unit. The unit goes on with what it
// remembers, as hardware does; but this one says so, to whoever watches. Run it with: dotnet run samples/07-missing-invalidation.cs
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

// 1. Memory, and a unit over it that keeps track of what its caches hold.
using PhysicalMemory memory = new(16 << 20);
RemappingUnit unit = new(memory, new NoInterrupts(), HardwareProfile.Named("friendly") with { TracksStaleness = true });
Watcher watcher = new();
unit.Observer = watcher;
SourceId device = new(bus: 0, device: 4, function: 0);

// 2. Tables by hand, of the same types that the unit reads: the device is in domain 5, and address 1000h is page 8000h.
PhysicalAddress root = new(0x1000), contexts = new(0x2000), leaf = new(0x5000 + 8);
memory.TryWrite(root, new RootEntry { Present = true, ContextTable = contexts }.Raw);
memory.TryWrite(contexts + (16ul * device.DeviceFunction), new ContextEntry
{
    Present = true,
    AddressWidth = AddressWidth.Bits39,
    SecondStageTable = new(0x3000),
    DomainId = new(5),
}.Raw);
memory.TryWrite(new PhysicalAddress(0x3000), new SecondStageEntry { Read = true, Write = true, Address = new(0x4000) }.Raw);
memory.TryWrite(new PhysicalAddress(0x4000), new SecondStageEntry { Read = true, Write = true, Address = new(0x5000) }.Raw);
memory.TryWrite(leaf, new SecondStageEntry { Read = true, Write = true, Address = new(0x8000) }.Raw);

// 3. The root pointer, a queue at 6000h, translation on: one bit of GCMD at a time.
unit.Write(RegisterOffsets.RootTableAddress, 8, root.Value);
Command(new() { SetRootTablePointer = true });
unit.Write(RegisterOffsets.InvalidationQueueAddress, 8, 0x6000);
Command(new() { QueuedInvalidationEnable = true });
Command(new() { QueuedInvalidationEnable = true, TranslationEnable = true });

// 4. The device uses its page. Then software takes it away, and forgets the rest.
RemappedPort port = unit.Open(device);
Console.WriteLine($"mapped: {port.Read(new Iova(0x1000), new byte[64])}");
memory.TryWrite(leaf, new SecondStageEntry().Raw);
Console.WriteLine($"taken away: {port.Read(new Iova(0x1040), new byte[64])}");
Console.WriteLine(watcher.Seen);

// 5. The descriptor that was missing, bit for bit as it was reported.
memory.TryWrite(new PhysicalAddress(0x6000), watcher.Seen!.Owed[0].Descriptor);
unit.Write(RegisterOffsets.InvalidationQueueTail, 8, 16);
Console.WriteLine($"invalidated: {port.Read(new Iova(0x1040), new byte[64])}");

void Command(GlobalCommand command) => unit.Write(RegisterOffsets.GlobalCommand, 4, command.Raw.Value);

internal sealed class Watcher : IRemappingObserver
{
    public StaleUse? Seen { get; private set; }

    public void StaleEntryUsed(StaleUse use) => Seen = use;

    public void FaultDetected(in RemappingFault fault, FaultDisposition disposition) => Console.WriteLine($"fault: {fault.Reason} at {fault.Address}");
}

internal sealed class NoInterrupts : IInterruptSink
{
    public void Deliver(MessageInterrupt message)
    {
    }
}

// It prints:
// mapped: Success
// taken away: Success
// 00:04.0 reads 1040h: the IOTLB answers what tables no longer say
//   since write 1: second-stage entry of level 1 at 5008h, 0000000000008003h -> 0000000000000000h, 1 request ago
//   missing: IOTLB page-selective, domain 5h, address 1000h, AM 0, IH 1
//            descriptor 0000000000001040_0000000000050032h
// fault: ReadNotPermitted at 1040h (I/O)
// invalidated: Blocked
