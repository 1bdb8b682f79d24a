#:project ../Vmm/Vmm.csproj
#:project Drivers/Drivers.csproj
#:property PublishAot=false

// A guest reads a USB disk by direct DMA, and moves to another computer meanwhile. docs/migration.md explains it.
// Run it with: dotnet run samples/18-migration.cs
using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

// 1. Two computers in one virtual time, with an xHCI controller each and the same disk behind both; a link of 10 Gb/s.
byte[] content = new byte[8 << 20];
new Random(18).NextBytes(content);
EventLoop loop = new();
using Host here = Build(out XhciController first, device: 0x14), there = Build(out XhciController second, device: 0x1D);
VirtualMachine vm = here.CreateMachine("VM 1", 32 << 20);
DiskReader guest = new(loop);
loop.Run(Play);

async Task Play()
{
    await here.AssignmentOf(first.Source).Assign(vm, new SourceId(0, 4, 0));
    guest.Resume(vm);
    await loop.Delay(250_000_000);

    // 2. Pages that no device has pinned can be moved or swapped out; a pinned one stays.
    GuestPhysicalAddress pinned = here.AssignmentOf(first.Source).Mappings!.All.First().Guest;
    Console.WriteLine($"move a page: {await vm.Mover.Move(new(0x1000))}, swap one out: {await vm.Mover.SwapOut(new(0x2000))}, move a pinned page: {await vm.Mover.Move(pinned)}");

    // 3. The migration: memory while the guest runs and the controller writes, then the controller goes, then the rest.
    MigrationOptions options = new() { DowntimeGoalNs = 100_000, Devices = new Dictionary<SourceId, SourceId> { [first.Source] = second.Source } };
    MigrationReport report = await Migration.Run(vm, there, new MigrationLink(loop, bytesPerSecond: 1_250_000_000), guest, options);
    ulong blocks = report.Machine!.Cpu.Load(DiskReader.Progress, 8);
    foreach (MigrationRound round in report.Rounds)
        Console.WriteLine($"{round.Kind,-15} {round.Pages,5} pages, {round.ZeroPages,5} of zeros, {round.Bytes,9} bytes, {round.TimeNs / 1e3,9:F1} us");
    Console.WriteLine($"{report.Reason}: {report.TotalNs / 1e6:F1} ms, stopped for {report.DowntimeNs / 1e3:F1} us, without its controller for {report.DeviceOutageNs / 1e6:F1} ms");

    // 4. The guest reads on where it was, with the other controller, until it has the whole disk in its memory.
    await guest.Done.Wait();
    byte[] read = new byte[content.Length];
    report.Machine.Cpu.TryRead(DiskReader.Cache, read);
    Console.WriteLine($"blocks read here {blocks}, there {DiskReader.Blocks - blocks}; the same as the disk: {read.SequenceEqual(content)}, faults: {here.Faults.Total + there.Faults.Total}");
}

Host Build(out XhciController controller, int device)
{
    Host host = new(new HostOptions { Loop = loop, Profile = HardwareProfile.Named("friendly-scalable"), Scalable = true });
    controller = new(loop);
    controller.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content), speed: UsbSpeed.High));
    host.Pci.Add(controller, device);
    host.Boot();
    return host;
}

// What runs in the guest: it reads the disk into its memory, and keeps there, too, how far it is. Its drivers begin anew on
// each machine; without a controller it has other things to do.
internal sealed class DiskReader(EventLoop loop) : IGuestSoftware
{
    public const ulong Blocks = 16384, BlocksAtOnce = 128;
    public static readonly GuestPhysicalAddress Cache = new(16 << 20), Progress = new(0x8000);
    private readonly Signal _letGo = new(loop), _paused = new(loop);
    private bool _mustLetGo, _mustPause;
    public Signal Done { get; } = new(loop);

    public void Resume(VirtualMachine machine) => loop.Start(() => Work(machine));
    public async ValueTask<bool> ReleaseDevices() => (_mustLetGo = true) && await _letGo.Wait();
    public async ValueTask Pause() => _ = (_mustPause = true) && await _paused.Wait();

    private async Task Work(VirtualMachine vm)
    {
        (_mustLetGo, _mustPause) = (false, false);
        SourceId place = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
        ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 8 << 20), vm.Cpu, place);
        IUsbHostController usb = await UsbHostControllers.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), place, dma, 0x40));
        MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1));
        ulong next;
        for (; (next = vm.Cpu.Load(Progress, 8)) < Blocks && !_mustLetGo; vm.Cpu.Store(Progress, 8, next + BlocksAtOnce))
            await disk.Read(next, new MemoryBuffer(vm.Cpu, Cache + (next * 512), (int)BlocksAtOnce * 512));
        await disk.Stop();
        await usb.Stop();
        (next == Blocks ? Done : _letGo).Raise();
        for (; next < Blocks && !_mustPause; await vm.Cpu.Processor.Delay(50_000))
            vm.Cpu.Store(new(0x9000 + (loop.NowNs % 64 * 4096)), 8, loop.NowNs);
        _paused.Raise();
    }
}

// It prints:
// move a page: None, swap one out: None, move a pinned page: Pinned
// Running          8192 pages,  7350 of zeros,   3579904 bytes,    7047.5 us
// Running            96 pages,     0 of zeros,    394752 bytes,     366.7 us
// WithoutDevices     23 pages,     0 of zeros,     94576 bytes,      94.4 us
// Stopped             2 pages,     0 of zeros,      8224 bytes,       9.6 us
// done: 208.2 ms, stopped for 9.6 us, without its controller for 200.8 ms
// blocks read here 6912, there 9472; the same as the disk: True, faults: 0
