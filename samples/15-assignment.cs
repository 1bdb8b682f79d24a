#:project Lab/Lab.csproj
#:property PublishAot=false

// The life of an assignment: the host uses a disk, lets its controller go to a VM, and comes back; what cannot be kept apart
// goes together; a step that breaks off is undone; a device is pulled out. docs/assignment.md explains it.
// Run it with: dotnet run samples/15-assignment.cs
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A controller with a disk on bus 0, and two more behind a bridge to a conventional bus. A fuse stops the VMM later on.
int? fuse = null;
using Host host = new(new HostOptions { BeforeWrite = () => fuse = fuse is 0 ? throw new InvalidOperationException("The VMM is gone.") : fuse - 1 });
EhciController controller = new(host.Loop);
controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(new byte[1 << 20])));
PciBridge bridge = new(0x8086, 0x244E, type: null);
EhciController[] old = [new(host.Loop), new(host.Loop)];
host.Pci.Add(controller, device: 0x1D);
host.Pci.Add(bridge, device: 0x1E);
bridge.Secondary.Add(old[0], 0);
bridge.Secondary.Add(old[1], 1);
host.Boot();
VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
SourceId place = new(0, 4, 0);
Assignment assignment = host.AssignmentOf(controller.Source);
host.Loop.Run(Play);

async Task Play()
{
    // 2. The host has the disk. Its driver lets go when it is asked, and takes the controller again when it comes back.
    HostUsbDriver driver = new(host, controller.Source);
    assignment.Driver = await driver.Take() ? driver : null;
    byte[] sector = new byte[512];
    await driver.Read(0, sector);
    Console.WriteLine($"the host reads: {driver.BlockCount} blocks, state {assignment.State}");
    Func<ValueTask<AssignmentResult>>[] way =
    [
        assignment.Detach, assignment.Reset, () => assignment.Isolate(vm), () => assignment.Expose(place),
        assignment.Withdraw, assignment.Quiesce, assignment.Release, assignment.Return,
    ];
    foreach (Func<ValueTask<AssignmentResult>> step in way)
    {
        AssignmentResult result = await step();
        Console.WriteLine($"  {assignment.State,-10} with {assignment.Machine?.Name ?? "-",-5} domain {assignment.DomainId?.ToString() ?? "-",-2} bus master {controller.Command.HasFlag(PciCommand.BusMaster),-5} {result.Reason}");
    }

    await driver.Read(0, sector);
    Console.WriteLine("the host reads again");

    // 3. Behind the bridge, requests of two devices have one name: one of them alone goes nowhere.
    AssignmentResult alone = await host.AssignmentOf(old[0].Source).Assign(vm, new(0, 6, 0));
    Console.WriteLine($"{alone.Refusal}: {alone.Reason}");
    DeviceGroup group = host.GroupOf(old[0].Source);
    AssignmentResult both = await group.Assign(vm, [new(0, 6, 0), new(0, 7, 0)]);
    Console.WriteLine($"together: {both.Reason}, domains {string.Join(" and ", group.Functions.Select(function => function.DomainId))}");

    // 4. The VMM breaks off after so many writes. The take-back knows what was done, and undoes it.
    int tried = 0, clean = 0;
    for (int writes = 0; writes < 60; writes += 4)
    {
        fuse = writes;
        try
        {
            _ = await assignment.Assign(vm, place);
        }
        catch (InvalidOperationException)
        {
            fuse = null;
            tried++;
            clean += (await assignment.TakeBack()).IsDone && assignment.DomainId is null && driver.IsUp ? 1 : 0;
        }
    }

    Console.WriteLine($"broken off {tried} times, with the host again {clean} times, pins {host.Frames.Pins}");

    // 5. Somebody pulls it out while a VM has it.
    Console.WriteLine($"assigned: {(await assignment.Assign(vm, place)).Reason}");
    await host.HotUnplug(controller);
    Console.WriteLine($"pulled out: the guest reads {vm.Pci.ReadConfiguration(place, 0, 4):X8}h, state {assignment.State}, domain {assignment.DomainId?.ToString() ?? "none"}");
}

// It prints:
// the host reads: 2048 blocks, state Host
//   Detached   with -     domain -  bus master False done
//   Clean      with -     domain -  bus master False done
//   Isolated   with VM 1  domain 0  bus master False done
//   Assigned   with VM 1  domain 0  bus master False done
//   Withdrawn  with VM 1  domain 0  bus master False done
//   Quiet      with VM 1  domain 0  bus master False done
//   Clean      with -     domain -  bus master False done
//   Host       with -     domain -  bus master True  done
// the host reads again
// PartOfGroup: 01:00.0 goes to a VM together with 01:01.0: 01:00.0 and 00:1e.0: the bridge 00:1e.0 sends all requests from below as its own; 00:1e.0 and 01:01.0: the bridge 00:1e.0 sends all requests from below as its own
// together: done, domains 1 and 1
// broken off 15 times, with the host again 15 times, pins 0
// assigned: done
// pulled out: the guest reads FFFFFFFFh, state Host, domain none
