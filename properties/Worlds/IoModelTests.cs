using Dma.Drivers;
using Dma.Iommu;
using Dma.Lab;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Devices of the host reach a guest by an emulated controller, by a split driver, or with the controller itself; the guest's drivers are the same.</summary>
public sealed class IoModelTests
{
    [Theory]
    [InlineData(nameof(IoModel.Emulated), "ehci", "friendly")]
    [InlineData(nameof(IoModel.Emulated), "xhci", "hostile")]
    [InlineData(nameof(IoModel.Split), "ehci", "friendly")]
    [InlineData(nameof(IoModel.Split), "xhci", "friendly")]
    [InlineData(nameof(IoModel.Split), "ehci", "hostile")]
    [InlineData(nameof(IoModel.Split), "xhci", "minimal")]
    [InlineData(nameof(IoModel.Direct), "ehci", "friendly")]
    [InlineData(nameof(IoModel.Direct), "xhci", "minimal")]
    public void A_guest_reads_and_writes_a_disk(string model, string controller, string profile)
    {
        byte[] content = new byte[256 * 1024];
        new Random(1).NextBytes(content);
        byte[] disk = [.. content];
        using ModelWorld world = new(Enum.Parse<IoModel>(model), controller, HardwareProfile.Named(profile), seed: 1);
        world.Plug(new MassStorageDevice(new MemoryDiskImage(disk, isWritable: true)));
        world.Host.Loop.Run(async () =>
        {
            IUsbHostController usb = await world.Start();
            UsbDeviceHandle device = await UsbDeviceHandle.Enumerate(usb, port: 1);
            MassStorageDriver driver = await MassStorageDriver.Start(device);
            Assert.Equal(content, await DiskReader.ReadAll(driver, usb.Memory));
            MemoryBufferOf(usb, content.AsMemory(0, 8192), out Hal.MemoryBuffer buffer);
            await driver.Write(100, buffer);
            Assert.Equal(content.AsSpan(0, 8192), disk.AsSpan(100 * 512, 8192));
            Assert.Equal(Hal.DmaRefusal.None, usb.Memory.Free(buffer));
            await driver.Stop();
            await device.Release();
            Assert.Equal(world.Model == IoModel.Split ? 2 : 0, world.Machine.Grants.InUse);
            await usb.Stop();
            await world.Host.Destroy(world.Machine);
            Assert.Equal(0ul, world.Host.Frames.Pins);
            Assert.All(world.Assignments, assignment => Assert.Equal(UsbDeviceState.Host, assignment.State));
        });
        Assert.Equal(0ul, world.Host.Faults.Total);
    }

    private static void MemoryBufferOf(IUsbHostController usb, ReadOnlyMemory<byte> bytes, out Hal.MemoryBuffer buffer)
    {
        buffer = usb.Memory.Allocate(bytes.Length);
        buffer.Write(0, bytes.Span);
    }
}
