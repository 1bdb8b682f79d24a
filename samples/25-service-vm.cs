#:project Lab/Lab.csproj
#:property PublishAot=false

// A VM has the USB controller, with its ordinary driver, and serves two others: what they grant is mapped for its controller from
// request to response. Then it crashes, and another one goes on. docs/mechanisms/e-service-vm.md explains it.
// Run it with: dotnet run samples/25-service-vm.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;

const int ReadBytes = 120 * 1024;

// 1. A host with one EHCI controller and two disks, each for another VM.
using Host host = new(new HostOptions());
EhciController controller = new(host.Loop);
for (int number = 0; number < 2; number++)
    controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage([.. Enumerable.Repeat((byte)(number + 1), 1 << 20)])));
host.Pci.Add(controller, device: 0x1D);
host.Boot();
VirtualMachine[] guests = [host.CreateMachine("VM 1", 16 << 20), host.CreateMachine("VM 2", 16 << 20)];
ServiceVm service = null!;
host.Loop.Run(Play);

async Task Play()
{
    await StartService(ServiceTransport.SharedRing);
    IUsbHostController[] fronts = [await StartGuest(0), await StartGuest(1)];
    await Task.WhenAll(Read(fronts[0], 0), Read(fronts[1], 1));
    ServiceCounts counts = service.Counts;
    Console.WriteLine($"  {counts.NotificationsToService} notifications there, {counts.NotificationsToFrontEnds} back, {host.SharedProcessor!.Switches} VM switches");
    Console.WriteLine($"  {counts.PagesMapped} pages mapped, {counts.BytesCopied} bytes copied; mapped now: {service.PagesMappedOf(guests[0])} pages of VM 1, its rings");

    // 4. The service VM crashes while both read; both are told, nothing stays pinned, and the controller is the host's again.
    Task[] reading = [Read(fronts[0], 0), Read(fronts[1], 1)];
    await host.Loop.Delay(2_000_000);
    await host.Destroy(service.Machine);
    await Task.WhenAll(reading);
    Console.WriteLine($"The service VM crashed: {host.Frames.Pins} pages pinned, the controller is with: {host.AssignmentOf(controller.Source).State}");
    await Task.WhenAll(fronts.Select(front => front.Stop().AsTask()));

    // 5. The next one brings the devices back; this time each request is a call, and shares no memory.
    await StartService(ServiceTransport.Call);
    await Read(await StartGuest(0), 0);
    Console.WriteLine($"  {service.Counts.NotificationsToService} calls there, {service.Counts.NotificationsToFrontEnds} back, mapped now: {service.PagesMappedOf(guests[0])} pages of VM 1");
    Console.WriteLine($"Faults: {host.Faults.Total}");
}

// 2. The service VM: the controller is assigned to it, it drives it as any guest does, and its back end shows each VM its disk.
async Task StartService(ServiceTransport transport)
{
    VirtualMachine machine = host.CreateMachine("service VM", 16 << 20);
    machine.Mapping = new() { Policy = MappingPolicy.Static };
    await host.AssignmentOf(controller.Source).Assign(machine, new(0, 4, 0));
    service = new(machine, new() { Transport = transport });
    FrameAllocator frames = new(new(1 << 20), 15 << 20);
    ServiceUsbStack stack = new(machine, frames);
    await stack.Start(vector: 0x40);
    ServiceBackEnd backEnd = await ServiceBackEnd.Start(machine.Cpu, machine.Cpu, frames, stack, vector: 0x50);
    for (int number = 0; number < 2; number++)
    {
        HostUsbDevice disk = new(stack, port: number + 1);
        _ = await disk.Reset() && await backEnd.Attach(service.Serve(guests[number]), disk);
    }
}

// 3. A guest: its front end, and the drivers that every guest has.
async Task<IUsbHostController> StartGuest(int number) =>
    await ParavirtualUsbDriver.Start(guests[number].Cpu, guests[number].Cpu, new(new(1 << 20), 15 << 20), vector: 0x41);

async Task Read(IUsbHostController front, int number)
{
    try
    {
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(front, port: 1));
        MemoryBuffer buffer = front.Memory.Allocate(ReadBytes);
        await disk.Read(0, buffer);
        byte[] bytes = new byte[ReadBytes];
        buffer.Read(0, bytes);
        Console.WriteLine($"{guests[number].Name} reads {bytes.Length / 1024} KiB of {string.Join(' ', bytes.Distinct())}");
    }
    catch (DriverException failure)
    {
        Console.WriteLine($"{guests[number].Name}: {failure.Failure}");
    }
}

// It prints:
// VM 1 reads 120 KiB of 1
// VM 2 reads 120 KiB of 2
//   48 notifications there, 48 back, 103 VM switches
//   102 pages mapped, 0 bytes copied; mapped now: 2 pages of VM 1, its rings
// VM 1: HostSystemError
// VM 2: HostSystemError
// The service VM crashed: 0 pages pinned, the controller is with: Host
// VM 1 reads 120 KiB of 1
//   25 calls there, 24 back, mapped now: 0 pages of VM 1
// Faults: 0
