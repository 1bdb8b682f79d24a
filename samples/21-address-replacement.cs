#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// Two VMs share a USB controller, and their drivers give both disks address 1. The controller puts the address that a disk
// really has into every packet. docs/mechanisms/a-address-replacement.md explains it. Run it with: dotnet run samples/21-address-replacement.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

Share(new AddressOptions());
Share(new AddressOptions { Assignment = AddressAssignment.Static });
Share(new AddressOptions { Assignment = AddressAssignment.Software });
Share(new AddressOptions { IsOn = false });

static void Share(AddressOptions addresses)
{
    // 1. A host with a controller that has two register sets and two ports, and a disk in each port.
    using Host host = new(new HostOptions());
    Watch watch = new();
    SharedEhciController controller = new(host.Loop, new() { SetCount = 2, RootPortCount = 2, Addresses = addresses }) { Observer = watch };
    for (int number = 0; number < 2; number++)
    {
        byte[] content = new byte[64 * 512];
        content.AsSpan().Fill((byte)('A' + number));
        controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
    }

    controller.PlugInto(host.Pci, device: 1);
    host.Boot();
    Console.WriteLine(addresses.IsOn ? $"addresses are replaced, {addresses.Assignment}:" : "addresses are not replaced:");
    host.Loop.Run(async () =>
    {
        // 2. The VMM gives each VM a register set and a port; both enumerate at the same time.
        SharedUsbController sharing = (await SharedUsbController.Start(host, controller.Management.Source))!;
        await Task.WhenAll(Read(host, sharing, 0), Read(host, sharing, 1));
        Console.WriteLine($"  {watch.Waits} wait for address 0, {sharing.AddressesChosen} exits for addresses");
    });
}

static async Task Read(Host host, SharedUsbController sharing, int number)
{
    VirtualMachine vm = host.CreateMachine($"VM {number + 1}", 16 << 20);
    SourceId place = new(0, 4, 0);
    await sharing.Give(number, vm, place, number + 1);
    ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 15 << 20), vm.Cpu, place);
    PciDevice device = PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40);
    try
    {
        // 3. The drivers are those of any controller. Each knows its disk as device 1.
        UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(await EhciDriver.Start(device), number + 1);
        MassStorageDriver disk = await MassStorageDriver.Start(usb);
        MemoryBuffer buffer = dma.Allocate(512);
        await disk.Read(0, buffer);
        byte[] first = new byte[1];
        buffer.Read(0, first);
        int bus = Enumerable.Range(1, 127).FirstOrDefault(real => sharing.EntryOf((byte)real) is { State: AddressState.Live } entry && entry.Set == number);
        Console.WriteLine($"  {vm.Name}: address {usb.Connection.Number} is {bus} on the bus, and its disk is full of {(char)first[0]}");
    }
    catch (DriverException failure)
    {
        Console.WriteLine($"  {vm.Name}: {failure.Failure}");
    }
}

/// <summary>Counts how often somebody else got address 0.</summary>
internal sealed class Watch : IBusShareObserver
{
    private int _owner = -1;
    public int Waits { get; private set; }

    public void AddressZeroMoved(int owner, ulong nowNs)
    {
        Waits += owner >= 0 && _owner >= 0 ? 1 : 0;
        _owner = owner;
    }
}

// It prints:
// addresses are replaced, Dynamic:
//   VM 2: address 1 is 1 on the bus, and its disk is full of B
//   VM 1: address 1 is 2 on the bus, and its disk is full of A
//   1 wait for address 0, 0 exits for addresses
// addresses are replaced, Static:
//   VM 2: address 1 is 65 on the bus, and its disk is full of B
//   VM 1: address 1 is 1 on the bus, and its disk is full of A
//   1 wait for address 0, 0 exits for addresses
// addresses are replaced, Software:
//   VM 2: address 1 is 1 on the bus, and its disk is full of B
//   VM 1: address 1 is 2 on the bus, and its disk is full of A
//   1 wait for address 0, 2 exits for addresses
// addresses are not replaced:
//   VM 1: NoAnswer
//   VM 2: NoAnswer
//   0 wait for address 0, 0 exits for addresses
