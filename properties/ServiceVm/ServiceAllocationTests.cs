using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice;

namespace Dma.Properties;

/// <summary>What a service VM takes of the memory of the computer that simulates it: nothing while requests wait, and nothing that grows with what they move.</summary>
public sealed class ServiceAllocationTests
{
    private const ulong MicrosecondNs = 1_000;

    public static TheoryData<bool, int> Ways => new()
    {
        { false, 0 },
        { false, int.MaxValue },
        { true, 0 },
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void While_a_transfer_waits_for_its_device_nothing_is_allocated_in_a_microframe_but_where_a_driver_looks_for_itself(bool isModelled)
    {
        using ServiceMachine machine = new(new() { Vms = 1, Devices = DevicesOf(isModelled) });
        machine.Plug(0, new CountingDevice(1));
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            IUsbHostController usb = await machine.StartGuest(0);
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(usb, port: 1);
            byte busy = CountingDevice.EndpointOf(DeviceUse.Cancel);
            IUsbPipe pipe = await device.Open(device.Configuration.Interfaces[0].Endpoints.First(endpoint => endpoint.Address == busy));
            CoherentBuffer buffer = await usb.Memory.AllocateCoherent(4096);
            machine.Host.Loop.Start(async () => _ = await pipe.Transfer(buffer.Mapping, ulong.MaxValue));
        });
        machine.Host.Loop.RunFor(50_000 * MicrosecondNs);

        // A driver that hears nothing looks for itself after a while, and its wait begins anew: those of the service VM and of the guest.
        const int Microframes = 800;
        const int LooksMax = 2 * ((Microframes * 125 / 10_000) + 1);
        int allocating = 0;
        for (int microframe = 0; microframe < Microframes; microframe++)
        {
            (long before, int collections) = (GC.GetAllocatedBytesForCurrentThread(), GC.CollectionCount(0));
            machine.Host.Loop.RunFor(125 * MicrosecondNs);
            allocating += GC.GetAllocatedBytesForCurrentThread() == before || GC.CollectionCount(0) != collections ? 0 : 1;
        }

        Assert.InRange(allocating, 0, LooksMax);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void What_a_transfer_allocates_is_little_and_does_not_grow_with_its_bytes(bool isModelled, int copiedBytesMax)
    {
        const int SlackBytes = 1_000;
        int bytesMax = isModelled ? 10_500 : 14_000;
        long few = BytesAllocated(DevicesOf(isModelled), copiedBytesMax, 4 * 1024);
        long many = BytesAllocated(DevicesOf(isModelled), copiedBytesMax, 16 * 1024);
        Assert.InRange(many - few, -SlackBytes, SlackBytes);
        Assert.InRange(many, 0, bytesMax);
    }

    private static ServedDevices DevicesOf(bool isModelled) => isModelled ? ServedDevices.Model : ServedDevices.FrontEnd;

    // For each read, the least of some stretches: a collection may be counted in any of them.
    private static long BytesAllocated(ServedDevices devices, int copiedBytesMax, int readBytes)
    {
        using ServiceMachine machine = new(new() { Vms = 1, Devices = devices, BackEnd = new() { CopiedBytesMax = copiedBytesMax } });
        machine.Plug(0, new MassStorageDevice(new MemoryDiskImage(new byte[readBytes])));
        long reads = 0;
        machine.Host.Loop.Run(async () =>
        {
            await machine.StartService();
            IUsbHostController usb = await machine.StartGuest(0);
            MassStorageDriver disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(usb, port: 1));
            MemoryBuffer buffer = usb.Memory.Allocate(readBytes);
            machine.Host.Loop.Start(async () =>
            {
                while (true)
                {
                    await disk.Read(0, buffer);
                    reads++;
                }
            });
        });
        machine.Host.Loop.RunFor(200_000 * MicrosecondNs);
        long least = long.MaxValue;
        for (int stretch = 0; stretch < 8; stretch++)
        {
            (long before, long readsBefore) = (GC.GetAllocatedBytesForCurrentThread(), reads);
            machine.Host.Loop.RunFor(100_000 * MicrosecondNs);
            least = Math.Min(least, (GC.GetAllocatedBytesForCurrentThread() - before) / (reads - readsBefore));
        }

        return least;
    }
}
