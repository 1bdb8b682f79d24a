using Dma.Drivers;
using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A guest's front end and the host's back end: drivers of devices run on it unchanged.</summary>
public sealed class SplitDriverTests
{
    [Theory]
    [InlineData("ehci", "friendly")]
    [InlineData("xhci", "friendly")]
    [InlineData("ehci", "hostile")]
    [InlineData("xhci", "minimal")]
    public void A_guest_reads_and_writes_a_disk_of_the_host(string controller, string profile)
    {
        byte[] content = new byte[256 * 1024];
        new Random(1).NextBytes(content);
        byte[] disk = [.. content];
        using ModelWorld world = new(IoModel.Split, controller, HardwareProfile.Named(profile), seed: 1);
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
            Assert.Equal(2, world.Machine.Grants.InUse);
            await usb.Stop();
            Assert.Equal(0, world.Machine.Grants.InUse);
        });
        Assert.Equal(0ul, world.Host.Faults.Total);
        Assert.Equal(0ul, world.Machine.PinnedPages);
    }

    private static void MemoryBufferOf(IUsbHostController usb, ReadOnlyMemory<byte> bytes, out Hal.MemoryBuffer buffer)
    {
        buffer = usb.Memory.Allocate(bytes.Length);
        buffer.Write(0, bytes.Span);
    }
}
