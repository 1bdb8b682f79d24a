using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A disk with streams behind the driver of a guest: many commands at once, in the order that the device chooses.</summary>
public sealed class UasDriverTests
{
    private const int DiskBytes = 1 << 20;

    [Fact]
    public void Commands_that_run_side_by_side_move_their_own_bytes() => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue - 1)
        from count in Gen.Choose(1, 40)
        select (seed, count),
        given => Play(async (memory, disk, content, processor) =>
        {
            Random random = new(given.seed);
            List<Task> commands = [];
            List<(MemoryBuffer Buffer, int At, bool Reads)> pieces = [];
            for (int number = 0; number < given.count; number++)
            {
                // Each has blocks of its own, so that they do not race for them.
                int first = number * (DiskBytes / 512 / 40);
                MemoryBuffer buffer = memory.Allocate(512 * random.Next(1, 40));
                bool reads = random.Next(2) == 0;
                byte[] bytes = new byte[buffer.Length];
                random.NextBytes(bytes);
                buffer.Write(0, bytes);
                pieces.Add((buffer, first * 512, reads));
                commands.Add(reads
                    ? disk.Read((ulong)first, buffer, random.Next(3) == 0).AsTask()
                    : disk.Write((ulong)first, buffer, random.Next(3) == 0).AsTask());
            }

            foreach (Task command in commands)
                await command;
            foreach ((MemoryBuffer buffer, int at, _) in pieces)
            {
                byte[] bytes = new byte[buffer.Length];
                buffer.Read(0, bytes);
                Assert.True(bytes.AsSpan().SequenceEqual(content.AsSpan(at, bytes.Length)));
            }
        }),
        4);

    [Fact]
    public void An_urgent_command_overtakes_those_that_wait_at_the_device() => Play(async (memory, disk, _, processor) =>
    {
        List<int> order = [];

        // What software still has to pay for would hold up the first command alone.
        await processor.Delay(0);
        Task[] commands = [.. Enumerable.Range(0, 6).Select(number => Read(number, isUrgent: number == 5))];
        foreach (Task command in commands)
            await command;
        Assert.Equal([0, 5, 1, 2, 3, 4], order);
        return;

        async Task Read(int number, bool isUrgent)
        {
            await disk.Read((ulong)(number * 128), memory.Allocate(65536), isUrgent);
            order.Add(number);
        }
    });

    [Fact]
    public void A_block_that_cannot_be_read_fails_its_command_and_no_other() => Play(
        async (memory, disk, whole, processor) =>
        {
            Task good = disk.Read(0, memory.Allocate(4096)).AsTask();
            Task bad = disk.Read(64, memory.Allocate(4096)).AsTask();
            Task after = disk.Read(128, memory.Allocate(4096)).AsTask();
            await good;
            DriverException failure = await Assert.ThrowsAsync<DriverException>(() => bad);
            Assert.Equal(DriverFailure.CommandFailed, failure.Failure);
            await after;
            await disk.Read(0, memory.Allocate(65536 / 4));
            _ = await Assert.ThrowsAsync<DriverException>(() => disk.Read((ulong)whole.Length / 512, memory.Allocate(512)).AsTask());
        },
        content => new BadBlockImage(new MemoryDiskImage(content), badBlock: 66));

    private static void Play(Func<IDmaSpace, UasDriver, byte[], Processor, Task> play, Func<byte[], IDiskImage>? image = null)
    {
        byte[] content = new byte[DiskBytes];
        new Random(7).NextBytes(content);
        using Host host = new(new() { MemoryBytes = 128 << 20, VmmBytes = 16 << 20 });
        XhciController controller = new(host.Loop);
        UasDevice device = new(image?.Invoke(content) ?? new MemoryDiskImage(content, isWritable: true), speed: UsbSpeed.Super);
        controller.Connectors[0].Plug(device);
        host.Pci.Add(controller, 0x14);
        host.Boot();
        VirtualMachine vm = host.CreateMachine("vm", 32 << 20);
        host.Loop.Run(async () =>
        {
            Assert.True((await host.AssignmentOf(controller.Source).Assign(vm, new(0, 4, 0))).IsDone);
            ParavirtualDmaSpace dma = new(vm.Cpu, new FrameAllocator(new(1 << 20), 31 << 20), vm.Cpu, new(0, 4, 0));
            IUsbHostController usb = await UsbHostControllers.Start(PciDevice.Open(vm.Cpu, new PciConfigurationPorts(vm.Cpu), new(0, 4, 0), dma, 0x40));
            UsbDeviceHandle handle = await UsbDeviceHandle.Enumerate(usb, port: 5);
            UasDriver disk = await UasDriver.Start(handle);
            Assert.Equal((DiskBytes / 512ul, 512, 31), (disk.BlockCount, disk.BlockBytes, disk.CommandsMax));
            await play(dma, disk, content, vm.Cpu.Processor);
            await disk.Stop();
            await handle.Release();
            await usb.Stop();
            Assert.Equal(0, dma.MappingsLive);
            Assert.Equal(0ul, host.Faults.Total);
        });
    }
}
