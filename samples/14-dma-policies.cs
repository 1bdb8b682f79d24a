#:project Lab/Lab.csproj
#:property PublishAot=false

// When does a device get memory, and when does it lose it again? The same drivers read the same disk under six policies; then
// a device that lies goes on writing after the unmap, until it is refused. docs/hal-policies.md explains it.
// Run it with: dotnet run samples/14-dma-policies.cs
using System.Globalization;
using Dma.Drivers;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

const int PieceBytes = 16 << 10, Pieces = 64;
byte[] content = new byte[Pieces * PieceBytes];
new Random(1).NextBytes(content);
Console.WriteLine("policy        hypercalls  invalidations  pinned  copied/byte  us/read  window after the unmap");
foreach (MappingPolicy policy in Enum.GetValues<MappingPolicy>())
{
    // 1. A host, a controller with a disk, and a VM that has the policy. Without translation there must be leave for it.
    using Host host = new(new HostOptions { AllowsUntranslated = policy == MappingPolicy.Untranslated });
    EhciController controller = new(host.Loop);
    controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
    host.Pci.Add(controller, device: 0x1D);
    host.Boot();
    VirtualMachine vm = host.CreateMachine("VM 1", 16 << 20);
    vm.Mapping = new MappingOptions { Policy = policy };
    Console.WriteLine(host.Loop.Run(() => Play(host, vm, controller.Source, vm.Mapping)));
}

// 2. What nobody asked for is refused.
using Host careful = new(new HostOptions());
EhciController lone = new(careful.Loop);
careful.Pci.Add(lone, device: 0x1D);
careful.Boot();
VirtualMachine greedy = careful.CreateMachine("VM 1", 16 << 20);
greedy.Mapping = new MappingOptions { Policy = MappingPolicy.Untranslated };
AssignmentResult refused = careful.Loop.Run(() => careful.AssignmentOf(lone.Source).Assign(greedy, new(0, 4, 0)).AsTask());
Console.WriteLine($"{refused.Refusal}: {refused.Reason}");

async Task<string> Play(Host host, VirtualMachine vm, SourceId source, MappingOptions options)
{
    // 3. The HAL of the guest: the DMA API follows the policy, and drivers do not see which one it is.
    AssignmentResult assigned = await host.AssignmentOf(source).Assign(vm, new(0, 4, 0));
    if (!assigned.IsDone)
        return assigned.Reason;
    SourceId handle = new((ushort)(await vm.Cpu.Call(Hypercall.FindDevice)).Value);
    IDmaSpace dma = GuestDma.Create(options, vm.Cpu, new(new(1 << 20), 15 << 20), vm.Cpu, handle);
    EhciDriver ehci = await EhciDriver.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), handle, dma, vector: 0x40));
    MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(ehci, port: 1));

    // 4. The whole disk, piece by piece, into one buffer.
    MemoryBuffer buffer = dma.Allocate(PieceBytes);
    byte[] bytes = new byte[PieceBytes];
    Meter meter = vm.Cpu.Processor.Meter;
    (ulong calls, ulong copied, ulong invalidations, ulong startNs) = (meter[Cost.Hypercall], meter[Cost.CopiedByte], host.Remapping.Invalidations, host.Loop.NowNs);
    for (int piece = 0; piece < Pieces; piece++)
    {
        await disk.Read((ulong)(piece * PieceBytes / disk.BlockBytes), buffer);
        buffer.Read(0, bytes);
        if (!content.AsSpan(piece * PieceBytes, PieceBytes).SequenceEqual(bytes))
            throw new InvalidOperationException("The guest has read something else.");
    }

    string line = string.Create(CultureInfo.InvariantCulture, $"{options.Policy,-12}  {PerRead(meter[Cost.Hypercall] - calls),10:0.00}  {PerRead(host.Remapping.Invalidations - invalidations),13:0.00}  {vm.PinnedPagesMost,6}  {(double)(meter[Cost.CopiedByte] - copied) / content.Length,11:0.00}  {PerRead(host.Loop.NowNs - startNs) / 1000,7:0.0}");

    // 5. A device that goes on: it writes where a buffer was, again and again, and is seen as long as it gets through.
    RemappedPort liar = host.Unit.Open(source);
    DmaMapping mapping = (await dma.Map(buffer, DmaDirection.FromDevice)).Mapping;
    _ = liar.Write(mapping.DeviceAddress, [0xDD]);
    await dma.Unmap(mapping);
    ulong unmappedNs = host.Loop.NowNs;
    while (liar.Write(mapping.DeviceAddress, [0xEE]) == DmaStatus.Success && host.Loop.NowNs < unmappedNs + 100_000_000)
        await vm.Cpu.Processor.Delay(500);
    ulong windowNs = host.Loop.NowNs - unmappedNs;
    buffer.Read(0, bytes);
    return $"{line}  {(windowNs >= 100_000_000 ? "never closes" : $"{windowNs / 1000} us")}{(bytes[0] == 0xEE ? ", and the buffer is hit" : "")}";
}

static double PerRead(ulong count) => (double)count / Pieces;

// It prints:
// policy        hypercalls  invalidations  pinned  copied/byte  us/read  window after the unmap
// Strict              2.00           1.00       7         0.00   1000.0  0 us
// Deferred            2.00           0.19      47         0.00   1000.0  1993 us, and the buffer is hit
// Optimistic          0.05           0.03       9         0.00   1000.0  10003 us, and the buffer is hit
// Bounce              0.00           0.00     259         2.00   1000.0  never closes
// Static              0.00           0.00    4096         0.00   1000.0  never closes, and the buffer is hit
// Untranslated        2.00           0.00       7         0.00   1000.0  never closes, and the buffer is hit
// Untranslated: 00:1d.0 would reach all memory of the host: nothing would translate for it
