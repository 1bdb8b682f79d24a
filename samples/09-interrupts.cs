#:project ../Vmm/Vmm.csproj
#:property PublishAot=false

// Two guests have a device each. The first one makes its device write into the interrupt range whatever it likes, and
// interrupts nobody: the table of the remapping unit says what each device may raise. docs/interrupts.md explains it.
// Run it with: dotnet run samples/09-interrupts.cs
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

// 1. A host with two devices, each assigned to a VM. The VMM gives each an entry of the interrupt table.
using Host host = new(new HostOptions());
Prankster[] devices = [new(), new()];
Assignment[] assignments = [host.AssignmentOf(new SourceId(0, 3, 0)), host.AssignmentOf(new SourceId(0, 4, 0))];
host.Pci.Add(devices[0], device: 3);
host.Pci.Add(devices[1], device: 4);
host.Boot();
host.Loop.Run(Play);

async Task Play()
{
    foreach (Assignment assignment in assignments)
    {
        VirtualMachine vm = host.CreateMachine($"VM {host.Machines.Count + 1}", 16 << 20);
        AssignmentResult assigned = await assignment.Assign(vm, new SourceId(0, 4, 0));
        vm.Pci.WriteConfiguration(new SourceId(0, 4, 0), PciOffset.Command, 2, (uint)PciCommand.BusMaster);
        Console.WriteLine($"{assignment.Source} goes to {vm}: {assigned.Reason}");
    }

    // 2. The table as it is in memory: which vector of which processor, and for which requester alone.
    ulong register = host.Bus.Load(new PhysicalAddress(MemoryLayout.RemappingUnit + RegisterOffsets.InterruptTableAddress), 8);
    InterruptTableAddress table = new(new Bits64(register));
    RemappedInterrupt entry = default;
    for (int index = 0; index < 2; index++)
    {
        host.Memory.TryRead(table.Table + (ulong)(16 * index), out Bits128 raw);
        entry = new(raw);
        Console.WriteLine($"  entry {index}: {raw}, vector {entry.Common.Vector:X}h of processor {entry.Destination}, for {entry.Common.Source}");
    }

    // 3. What the devices are for: each raises its own interrupt, and its guest gets it.
    foreach (Prankster device in devices)
        device.Interrupt();
    await Tell("after an interrupt of each device");

    // 4. What VM 1 tries with its device, which it can make write any doubleword anywhere.
    Try("the vector of VM 2, as processors know it", 0xFEE0_0000 | (entry.Destination << 12), entry.Common.Vector);
    Try("the handle of VM 2", 0xFEE0_0010 | (1 << 5), 0);
    Try("a handle that nobody has", 0xFEE0_0010 | (7 << 5), 0);
    Try("a handle beyond the table", 0xFEEF_FFF4, 0);
    Try("a subhandle with a reserved bit", 0xFEE0_0018, 1 << 16);
    await Tell("after five attempts");
    foreach (LoggedFault fault in host.Faults.Log)
        Console.WriteLine($"  {fault.Fault.Source} of {fault.Machine}, index {fault.Fault.InterruptIndex}: {(int)fault.Fault.Reason:X}h {fault.Fault.Reason}");
}

void Try(string what, ulong address, uint data) =>
    Console.WriteLine($"{address:X8}h <- {data,5:X}h  {what}: {devices[0].Write(address, data)}");

async Task Tell(string when)
{
    await host.Cpu.Processor.Delay(1_000_000);
    Console.WriteLine($"{when}: VM 1 got {assignments[0].InterruptsForwarded}, VM 2 got {assignments[1].InterruptsForwarded}");
}

/// <summary>A device that does whatever DMA it is told to.</summary>
internal sealed class Prankster : PciFunction
{
    public Prankster()
        : base(new PciIdentity(0x1234, 0x5678, 0xFF_0000))
    {
        AddCapability(new MsiCapability());
        AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
    }

    public void Interrupt() => RaiseInterrupt();
    public DmaStatus Write(ulong address, uint data) => Dma.Write(new Iova(address), BitConverter.GetBytes(data));
    public override ulong ReadBar(int bar, ulong offset, int width) => 0;
    public override void WriteBar(int bar, ulong offset, int width, ulong value) { }
    protected override void OnReset() { }
}

// It prints:
// 00:03.0 goes to VM 1: done
// 00:04.0 goes to VM 2: done
//   entry 0: 0000000000040018_0000000100200001h, vector 20h of processor 1, for 00:03.0
//   entry 1: 0000000000040020_0000000100210001h, vector 21h of processor 1, for 00:04.0
// after an interrupt of each device: VM 1 got 1, VM 2 got 1
// FEE01000h <-    21h  the vector of VM 2, as processors know it: Blocked
// FEE00030h <-     0h  the handle of VM 2: Blocked
// FEE000F0h <-     0h  a handle that nobody has: Blocked
// FEEFFFF4h <-     0h  a handle beyond the table: Blocked
// FEE00018h <- 10000h  a subhandle with a reserved bit: Blocked
// after five attempts: VM 1 got 1, VM 2 got 1
//   00:03.0 of VM 1, index 0: 25h CompatibilityInterruptBlocked
//   00:03.0 of VM 1, index 1: 26h InterruptSourceInvalid
//   00:03.0 of VM 1, index 7: 22h InterruptEntryNotPresent
//   00:03.0 of VM 1, index 65535: 21h InterruptIndexBeyondTable
//   00:03.0 of VM 1, index 0: 20h InterruptRequestReserved
