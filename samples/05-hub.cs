#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A hub with a low-speed keyboard and a high-speed disk, in a guest, by direct DMA. The keyboard talks 320 times slower than
// the disk, and slows nobody down: the hub repeats its packets. Run it with: dotnet run samples/05-hub.cs
using System.Security.Cryptography;
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. A host whose EHCI controller has a hub, and on the hub a keyboard and a disk; a VM that gets the controller.
byte[] content = new byte[4 << 20];
new Random(5).NextBytes(content);
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
UsbHub hub = new(host.Loop);
KeyboardDevice keyboard = new(host.Loop, UsbSpeed.Low);
controller.Usb.Ports[0].Plug(hub);
hub.Downstream[0].Plug(keyboard);
hub.Downstream[2].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
host.Pci.Add(controller, device: 0x1D);
host.Boot();
VirtualMachine vm = host.CreateMachine("VM 1", 32 << 20);
host.Loop.Run(Play);

async Task Play()
{
    await host.AssignmentOf(controller.Source).Assign(vm, new SourceId(0, 4, 0));
    FrameAllocator frames = new(new GuestPhysicalAddress(1 << 20), 31 << 20);
    SourceId place = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
    ParavirtualDmaSpace dma = new(vm.Cpu, frames, vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);

    // 2. The hub is a device like any other, and its driver makes more ports of it. Each reset brings one device to address 0.
    EhciDriver ehci = await EhciDriver.Start(device);
    UsbDeviceHandle hubDevice = await UsbDeviceHandle.Enumerate(ehci, port: 1);
    HubDriver ports = await HubDriver.Start(hubDevice);
    Console.WriteLine($"a hub with {ports.PortCount} ports at address {hubDevice.Connection.Number}");
    foreach (UsbDeviceHandle found in await ports.EnumerateAll())
    {
        UsbLocation at = found.Connection.Location;
        string how = at.Translator is { } translator ? $"through the translator of hub {translator.Hub.Number}" : "directly";
        Console.WriteLine($"  port {at.Route}: {found.Configuration.Interfaces[0].Descriptor.Class}, {at.Speed} speed, address {found.Connection.Number}, {how}");
        if (at.Speed == DeviceSpeed.Low)
            _ = Listen(await KeyboardDriver.Start(found));
        else
            await Read(await MassStorageDriver.Start(found), dma);
    }

    // 3. Out it goes. The hub says so on its own interrupt endpoint.
    hub.Downstream[2].Unplug();
    foreach (int port in await ports.NextChange())
        Console.WriteLine($"port {port}: {(await ports.IsConnected(port) ? "connected" : "nothing there any more")}");
    Console.WriteLine($"faults: {host.Faults.Total}");
}

// One pipe waits for keys, for ever, while another moves blocks: transfers of different pipes run side by side.
async Task Listen(KeyboardDriver keys)
{
    while (await keys.Next() is { } key)
    {
        if (key.IsDown)
            Console.WriteLine($"  {host.Loop.NowNs / 1_000_000} ms: {key.Key}");
    }
}

async Task Read(MassStorageDriver disk, ParavirtualDmaSpace dma)
{
    keyboard.Type("usb");
    ulong beginNs = host.Loop.NowNs;
    MemoryBuffer buffer = dma.Allocate(content.Length);
    await disk.Read(firstBlock: 0, buffer);
    double seconds = (host.Loop.NowNs - beginNs) / 1e9;
    byte[] read = new byte[content.Length];
    buffer.Read(0, read);
    Console.WriteLine($"  {host.Loop.NowNs / 1_000_000} ms: read {read.Length} bytes, {read.Length / seconds / 1e6:F1} MB/s");
    Console.WriteLine($"  the same as the disk: {SHA256.HashData(read).SequenceEqual(SHA256.HashData(content))}");
}

// It prints:
// a hub with 4 ports at address 1
//   port 1: Hid, Low speed, address 2, through the translator of hub 1
//   port 3: MassStorage, High speed, address 3, directly
//   597 ms: U
//   613 ms: S
//   629 ms: B
//   694 ms: read 4194304 bytes, 40.3 MB/s
//   the same as the disk: True
// port 3: nothing there any more
// faults: 0
