#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// Three VMs share one ordinary USB controller: each has a virtual one, whose registers trap, and the VMM merges their schedules into the
// one that the controller runs. Their drivers are ordinary. docs/mechanisms/f-merged-schedules.md explains it.
// Run it with: dotnet run samples/26-merged-schedules.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host with one EHCI controller; at its ports a microphone, a keyboard and a disk.
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop, new() { PortCount = 3 });
KeyboardDevice keyboard = new(host.Loop);
byte[] content = new byte[256 * 1024];
new Random(1).NextBytes(content);
IUsbDevice[] devices = [new AudioSourceDevice(host.Loop, new SineWave(hertz: 440)), keyboard, new MassStorageDevice(new MemoryDiskImage(content))];
for (int number = 0; number < 3; number++)
    controller.Usb.Ports[number].Plug(devices[number]);
host.Pci.Add(controller, device: 2);
host.Boot();
MergedUsbController? sharing = null;
host.Loop.Run(Play);

async Task Play()
{
    // 2. The VMM takes the controller over. Each guest finds a controller of its own, with one device behind it.
    sharing = await MergedUsbController.Start(host, controller.Source, new() { Discovery = DiscoveryMethod.Scan });
    UsbDeviceHandle[] found = [await Open(0), await Open(1), await Open(2)];
    Console.WriteLine($"their drivers call their devices {string.Join(", ", found.Select(device => device.Connection.Number))}");
    AudioStream sound = await AudioDriver.Find(found[0]).Start(48_000);
    KeyboardDriver keys = await KeyboardDriver.Start(found[1]);
    MassStorageDriver disk = await MassStorageDriver.Start(found[2]);

    // 3. All at once: sound is isochronous, the keyboard is asked by an interrupt queue, the disk is read by bulk.
    byte[] samples = new byte[48 * 4 * 200];
    Task recording = sound.Record(samples).AsTask();
    keyboard.Type("f");
    MemoryBuffer buffer = new(host.Machines.ElementAt(2).Cpu, new GuestPhysicalAddress(12 << 20), 64 * 1024);
    await disk.Read(0, buffer);
    byte[] read = new byte[buffer.Length];
    buffer.Read(0, read);
    Console.WriteLine($"disk: {(read.AsSpan().SequenceEqual(content.AsSpan(0, read.Length)) ? "64 KiB, as on it" : "something else")}");
    Console.WriteLine($"key: {(await keys.Next())!.Value.Key}");
    Show();
    await recording;
    Console.WriteLine($"sound: {sound.PacketsMoved} packets, lost {sound.PacketsLost}, intervals skipped {sound.IntervalsSkipped}");

    // 4. One VM crashes: what was its own leaves the lists, and nobody else notices.
    await host.Destroy(host.Machines.First());
    Console.WriteLine("VM 1 ends");
    Show();
    await disk.Read(128, buffer);
    foreach (VirtualMachine vm in sharing!.Machines)
    {
        MergeStatistics cost = sharing.StatisticsOf(vm);
        Console.WriteLine($"{vm.Name}: {cost.RegisterReads + cost.RegisterWrites} register exits, {cost.NodesVisited} nodes in {cost.Scans} looks, {cost.TransfersCopied} transfers copied");
    }

    Console.WriteLine($"faults: {host.Faults.Total}");
}

async Task<UsbDeviceHandle> Open(int number)
{
    VirtualMachine vm = host.CreateMachine($"VM {number + 1}", 16 << 20);
    SourceId place = new(0, 4, 0);
    Console.WriteLine($"{vm.Name} gets port {number + 1}: {(await sharing!.Give(vm, place, number + 1)).Reason}");
    IdentityDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 11 << 20));
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);
    return await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), number + 1);
}

void Show()
{
    string Names(IEnumerable<MergedStructure> list) => string.Join(" -> ", list.Select(entry => $"{entry.Machine.Name} {entry.Type}"));
    int frame = (int)(sharing!.RealRegister(0xC) >> 3) & 1023;
    Console.WriteLine($"  this frame: {Names(sharing.Picture!.Frame(frame))}");
    Console.WriteLine($"  asynchronous: {string.Join(", ", sharing.Picture!.Async.GroupBy(entry => entry.Machine.Name).Select(own => $"{own.Key} {own.Count()}"))}; {sharing.Picture!.Heads} head");
}

// It prints:
// VM 1 gets port 1: done
// VM 2 gets port 2: done
// VM 3 gets port 3: done
// their drivers call their devices 1, 1, 1
// disk: 64 KiB, as on it
// key: F
//   this frame: VM 1 IsochronousTransfer -> VM 2 QueueHead
//   asynchronous: VM 3 4, VM 1 2, VM 2 2; 1 head
// sound: 400 packets, lost 0, intervals skipped 0
// VM 1 ends
//   this frame: 
//   asynchronous: VM 2 2, VM 3 4; 1 head
// VM 2: 70 register exits, 4943 nodes in 807 looks, 21 transfers copied
// VM 3: 99 register exits, 4322 nodes in 609 looks, 44 transfers copied
// faults: 0
