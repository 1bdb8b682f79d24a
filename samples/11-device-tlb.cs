#:project ../Vmm/Vmm.csproj
#:project Devices/Devices.csproj
#:property PublishAot=false

// A device that keeps translations of its own (ATS): what it is trusted with, how long an unmap waits for it, and what
// becomes of one that lies or does not answer. docs/ats.md explains it. Run it with: dotnet run samples/11-device-tlb.cs
using Dma.Devices;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

// 1. A host with a root port that has access control services, and the device behind it. It goes to VM 1; VM 2 has a secret.
using Host host = new(new HostOptions());
AtsDevice device = new(host.Loop);
PciBridge port = new(0x8086, 0x3420, accessControls: AccessControls.Usual);
port.Secondary.Add(device, device: 0);
host.Pci.Add(port, device: 1);
host.Boot();
VirtualMachine first = host.CreateMachine("VM 1", 16 << 20), second = host.CreateMachine("VM 2", 16 << 20);
second.Cpu.Store(new GuestPhysicalAddress(0x1000), 8, 0x5EC4E7);
PhysicalAddress secret = second.Memory.Blocks[0].Host + 0x1000;
SourceId place = new(0, 4, 0);
Assignment assignment = host.AssignmentOf(device.Source);
host.Loop.Run(Play);

async Task Play()
{
    // 2. Not trusted, as all devices are by default: ATS is off, and the port above stops a request that says it is translated.
    ulong buffer = await Assign();
    Tell("a write of its own", AtsCommand.Write, buffer);
    Tell("a read of VM 2, said to be translated", AtsCommand.ForgedRead, secret.Value);
    await assignment.TakeBack();

    // 3. Trusted: it asks once, and then knows. An unmap comes back when the device has forgotten.
    assignment.TrustsDeviceTlb = true;
    buffer = await Assign();
    Tell("a write", AtsCommand.Write, buffer);
    Tell("another one", AtsCommand.Write, buffer + 8);
    Console.WriteLine($"  it asked {device.Port.Questions} time, and knew {device.Port.Hits} time");
    (device.Answer, device.DelayNs) = (AtsAnswer.Late, 2_000_000);
    await Unmap(buffer);
    Tell("a write after that", AtsCommand.Write, buffer);

    // 4. What trust means: nothing stands between such a device and memory.
    Tell("a read of VM 2, said to be translated", AtsCommand.ForgedRead, secret.Value);
    Console.WriteLine($"  it read {device.ReadBar(0, AtsDevice.BufferStart, 8):X}h");
    buffer = await Map();
    Tell("a write", AtsCommand.Write, buffer);
    device.Answer = AtsAnswer.Liar;
    await Unmap(buffer);
    Tell("a write to what it said it forgot", AtsCommand.Write, buffer);

    // 5. One that does not answer is found out after a minute, and loses everything.
    buffer = await Map();
    device.Answer = AtsAnswer.Never;
    await Unmap(buffer);
    Tell("a read of VM 2, said to be translated", AtsCommand.ForgedRead, secret.Value);
    Console.WriteLine($"  ATS is {(device.Ats.IsEnabled ? "on" : "off")}, in quarantine: {assignment.IsQuarantined}");
}

async Task<ulong> Assign()
{
    AssignmentResult assigned = await assignment.Assign(first, place);
    first.Pci.WriteConfiguration(place, PciOffset.Command, 2, (uint)PciCommand.BusMaster);
    Console.WriteLine($"{assignment.Source} goes to {first}: {assigned.Reason}, ATS is {(device.Ats.IsEnabled ? "on" : "off")}");
    return await Map();
}

async Task<ulong> Map() => (await first.Cpu.Call(Hypercall.MapDma, place.Value, 0x1000, 4096, (ulong)DmaDirection.Bidirectional)).Value;

async Task Unmap(ulong buffer)
{
    ulong before = host.Loop.NowNs;
    HypercallResult result = await first.Cpu.Call(Hypercall.UnmapDma, place.Value, buffer, 4096);
    Console.WriteLine($"unmap, with a device that answers {device.Answer}: {result.Refusal}, after {(host.Loop.NowNs - before) / 1_000_000} ms");
}

void Tell(string what, AtsCommand command, ulong address) => Console.WriteLine($"{what}: {(DmaStatus)device.Do(command, address)}");

// It prints:
// 01:00.0 goes to VM 1: done, ATS is off
// a write of its own: Success
// a read of VM 2, said to be translated: AccessViolation
// 01:00.0 goes to VM 1: done, ATS is on
// a write: Success
// another one: Success
//   it asked 1 time, and knew 1 time
// unmap, with a device that answers Late: None, after 2 ms
// a write after that: Blocked
// a read of VM 2, said to be translated: Success
//   it read 5EC4E7h
// a write: Success
// unmap, with a device that answers Liar: None, after 0 ms
// a write to what it said it forgot: Success
// unmap, with a device that answers Never: None, after 60000 ms
// a read of VM 2, said to be translated: Blocked
//   ATS is off, in quarantine: True
