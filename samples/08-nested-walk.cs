#:project ../Iommu/Iommu.csproj
#:property PublishAot=false

// A guest has page tables of its own for a device, and the host has tables for the guest: each address is translated
// twice, and each table of the guest is found by the host's. Run it with: dotnet run samples/08-nested-walk.cs
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

// 1. Memory, a unit that knows scalable mode, a device, and one process on it.
using PhysicalMemory memory = new(16 << 20);
RemappingUnit unit = new(memory, new NoInterrupts(), HardwareProfile.Named("friendly-scalable"));
SourceId device = new(bus: 0, device: 4, function: 0);
Pasid pasid = new(3);
PhysicalAddress root = new(0x1000), contexts = new(0x2000), directory = new(0x3000), pasids = new(0x4000);
const ulong Guest = 0x80_0000; // what the guest takes for address 0
Iova address = new(0x7FFF_1234_5678);

// 2. From the device to its process: root, context, PASID directory, PASID entry.
Put(root, new ScalableRootEntry { LowerPresent = true, LowerContextTable = contexts }.Raw);
Put(contexts + (32ul * device.DeviceFunction), new ScalableContextEntry { Present = true, PasidEnabled = true, PasidDirectory = directory }.Raw);
Put(directory, new PasidDirectoryEntry { Present = true, PasidTable = pasids }.Raw);
Put(pasids + (64ul * pasid.Value), new PasidTableEntry
{
    Present = true,
    TranslationType = PasidTranslationType.Nested,
    DomainId = new(9),
    FirstStageTable = new(0x1000), // for the guest
    SecondStageTable = new(0x5000), // for the host
    AddressWidth = AddressWidth.Bits39,
    PageWalkSnoop = true,
}.Raw);

// 3. The host's tables, the second stage: the first 2 MiB of the guest are one page.
Put(new(0x5000), new SecondStageEntry { Read = true, Write = true, Address = new(0x6000) }.Raw);
Put(new(0x6000), new SecondStageEntry { Read = true, Write = true, PageSize = true, Address = new(Guest) }.Raw);

// 4. The guest's tables, the first stage: four levels, in the guest's memory and with the guest's addresses.
FirstStageEntry entry = new() { Present = true, Writable = true, User = true };
for (int level = 4; level >= 1; level--)
{
    ulong table = 0x1000ul * (ulong)(5 - level);
    Put(EntryOf(table, level), (entry with { Address = new(level > 1 ? table + 0x1000 : 0x9000) }).Raw);
}

// 5. The device writes for its process. It lands in the guest's page 9000h, and that page is dirty now.
unit.Write(RegisterOffsets.RootTableAddress, 8, new RootTableAddress { Table = root, Mode = TranslationTableMode.Scalable }.Raw.Value);
unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
DmaAttributes attributes = new() { Pasid = pasid };
Console.WriteLine($"write: {unit.Open(device).Write(address, [42], attributes)}");
memory.TryRead(new PhysicalAddress(Guest + 0x9678), out byte landed);
memory.TryRead(EntryOf(0x4000, 1), out ulong leaf);
Console.WriteLine($"found: {landed}, page dirty: {new FirstStageEntry(new(leaf)).Dirty}");

// 6. The whole way, entry by entry: before each entry of the guest stand the host's entries that lead to it.
WalkTranscript walk = unit.Explain(device, address, write: false, attributes);
foreach (WalkStep step in walk.Steps.Where(step => step.Structure != WalkStructure.Request))
    Console.WriteLine($"{step.Address.Value,8:X}h: {step.Raw.Word0:X16}h  {step.Structure}{(step.Level == 0 ? "" : $", level {step.Level}")}");
Console.WriteLine($"{walk.Address} is {walk.Target}, in a page of {walk.PageBytes} bytes");

PhysicalAddress EntryOf(ulong table, int level) => new(Guest + table + (((address.Value >> (3 + (9 * level))) & 0x1FF) * 8));

void Put<T>(PhysicalAddress at, T value)
    where T : unmanaged => memory.TryWrite(at, value);

file sealed class NoInterrupts : IInterruptSink
{
    public void Deliver(MessageInterrupt message)
    {
    }
}

// It prints:
// write: Success
// found: 42, page dirty: True
//     1000h: 0000000000002001h  ScalableRoot
//     2400h: 0000000000003009h  ScalableContext
//     3000h: 0000000000004001h  PasidDirectory
//     40C0h: 00000000000050C5h  PasidEntry
//     5000h: 0000000000006003h  SecondStageOfTable, level 3
//     6000h: 0000000000800083h  SecondStageOfTable, level 2
//   8017F8h: 0000000000002027h  FirstStage, level 4
//     5000h: 0000000000006003h  SecondStageOfTable, level 3
//     6000h: 0000000000800083h  SecondStageOfTable, level 2
//   802FE0h: 0000000000003027h  FirstStage, level 3
//     5000h: 0000000000006003h  SecondStageOfTable, level 3
//     6000h: 0000000000800083h  SecondStageOfTable, level 2
//   803488h: 0000000000004027h  FirstStage, level 2
//     5000h: 0000000000006003h  SecondStageOfTable, level 3
//     6000h: 0000000000800083h  SecondStageOfTable, level 2
//   804A28h: 0000000000009067h  FirstStage, level 1
//     5000h: 0000000000006003h  SecondStage, level 3
//     6000h: 0000000000800083h  SecondStage, level 2
// 7FFF12345678h (I/O) is 809678h (host), in a page of 4096 bytes
