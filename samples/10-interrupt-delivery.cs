#:project ../Vmm/Vmm.csproj
#:property PublishAot=false

// Three guests have a device each, and the same driver. Their interrupts get to them in three ways: emulated, remapped and
// posted. The difference is in exits and time, and in what happens while a guest does not run. docs/interrupts.md explains it.
// Run it with: dotnet run samples/10-interrupt-delivery.cs
using Dma.Hal;
using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

const byte Vector = 0x41;
InterruptDelivery[] ways = [InterruptDelivery.Emulated, InterruptDelivery.Remapped, InterruptDelivery.Posted];

// 1. A host with three devices, each for a VM that has chosen a way.
using Host host = new(new HostOptions());
Bell[] bells = [new(), new(), new()];
for (int number = 0; number < bells.Length; number++)
    host.Pci.Add(bells[number], device: number + 3);
host.Boot();
VirtualMachine[] guests = [.. ways.Select(way => host.CreateMachine($"VM {way}", 16 << 20))];
Signal[] signals = [.. guests.Select(guest => guest.Cpu.Vector(Vector))];
host.Loop.Run(Play);

async Task Play()
{
    for (int number = 0; number < guests.Length; number++)
    {
        guests[number].Delivery = ways[number];
        _ = await host.AssignmentOf(bells[number].Source).Assign(guests[number], new SourceId(0, 4, 0));

        // The driver knows nothing of all that: it asks for a vector of its own processor.
        IdentityDmaSpace dma = new(guests[number].Cpu, new(new(1 << 20), 1 << 20));
        _ = PciDevice.Open(guests[number].Cpu, new PciConfigurationPorts(guests[number].Cpu), new SourceId(0, 4, 0), dma, Vector);
    }

    await host.Cpu.Processor.Delay(1_000_000);

    // 2. What the unit makes of the three requests: the vector of the host, or that of the guest and where it is posted.
    ulong register = host.Bus.Load(new PhysicalAddress(MemoryLayout.RemappingUnit + RegisterOffsets.InterruptTableAddress), 8);
    for (int index = 0; index < guests.Length; index++)
    {
        _ = host.Memory.TryRead(new InterruptTableAddress(new(register)).Table + (ulong)(16 * index), out Bits128 raw);
        InterruptRemappingEntry entry = new(raw);
        string where = entry.IsPosted ? $"of the guest, in the descriptor at {new PostedInterrupt(raw).Descriptor}" : $"of processor {new RemappedInterrupt(raw).Destination}";
        Console.WriteLine($"entry {index} for {entry.Source}: vector {entry.Vector:X}h {where}");
    }

    // 3. The same load for all: while the guests run, while they are preempted and entered again, and while they are halted.
    await Ring("a hundred while they run", 100, guest => { }, guest => { });
    await Ring("three while they are preempted", 3, guest => guest.Schedule.Preempt(), guest => guest.Schedule.Enter());
    await Ring("one while they are halted", 1, guest => guest.Schedule.Halt(), guest => { });
}

async Task Ring(string what, int times, Action<VirtualMachine> before, Action<VirtualMachine> after)
{
    Array.ForEach(guests, before);
    ulong[][] start = [.. guests.Select(Count)];
    for (int time = 0; time < times; time++)
    {
        Array.ForEach(bells, bell => bell.Ring());
        await host.Cpu.Processor.Delay(20_000);
    }

    Array.ForEach(guests, after);
    await host.Cpu.Processor.Delay(20_000);
    Console.WriteLine($"{what}: handled, exits, notifications");
    Console.WriteLine(string.Concat(guests.Zip(start, (guest, was) => $"  {guest}: {string.Join(", ", Count(guest).Zip(was, (now, then) => now - then))}")));
}

ulong[] Count(VirtualMachine guest) =>
    [signals[Array.IndexOf(guests, guest)].Raised, guest.Cpu.Processor.Meter[Cost.Exit], guest.Notifications];

/// <summary>A device that does nothing but raise its interrupt.</summary>
internal sealed class Bell : PciFunction
{
    public Bell()
        : base(new PciIdentity(0x1234, 0x5678, 0xFF_0000))
    {
        AddCapability(new MsiCapability());
        AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
    }

    public void Ring() => RaiseInterrupt();
    public override ulong ReadBar(int bar, ulong offset, int width) => 0;
    public override void WriteBar(int bar, ulong offset, int width, ulong value) { }
    protected override void OnReset() { }
}

// It prints:
// entry 0 for 00:03.0: vector 20h of processor 1
// entry 1 for 00:04.0: vector 21h of processor 1
// entry 2 for 00:05.0: vector 41h of the guest, in the descriptor at 187000h (host)
// a hundred while they run: handled, exits, notifications
//   VM Emulated: 100, 200, 0  VM Remapped: 100, 100, 0  VM Posted: 100, 0, 100
// three while they are preempted: handled, exits, notifications
//   VM Emulated: 1, 1, 0  VM Remapped: 1, 0, 0  VM Posted: 1, 0, 0
// one while they are halted: handled, exits, notifications
//   VM Emulated: 1, 1, 0  VM Remapped: 1, 0, 0  VM Posted: 1, 0, 0
