using Dma.Drivers;
using Dma.Hal;

namespace Dma.Properties;

/// <summary>Software that reads a whole disk through the drivers and leaves nothing behind, wherever its device comes from.</summary>
internal static class DiskReader
{
    private const int PieceBytes = 128 * 1024;

    /// <summary>What a disk of so many sectors holds: always the same.</summary>
    public static byte[] Content(int sectors)
    {
        byte[] content = new byte[sectors * 512];
        new Random(sectors).NextBytes(content);
        return content;
    }

    /// <summary>Brings the controller up, reads every block, and shuts everything down.</summary>
    /// <exception cref="DriverException">A driver gave up; everything is shut down all the same.</exception>
    public static async Task<byte[]> ReadAll(IDevice device, int port = 1)
    {
        byte[] content = [];
        await Use(device, async disk => content = await ReadAll(disk, device.Dma), port);
        return content;
    }

    /// <summary>Reads every block of a disk behind a controller that is up, and shuts everything down.</summary>
    /// <exception cref="DriverException">A driver gave up; everything is shut down all the same.</exception>
    public static async Task<byte[]> ReadAll(IUsbHostController controller, int port = 1)
    {
        byte[] content = [];
        await Use(controller, async disk => content = await ReadAll(disk, controller.Memory), port);
        return content;
    }

    /// <summary>Brings the controller up, does something with the disk, and shuts everything down.</summary>
    /// <exception cref="DriverException">A driver gave up; everything is shut down all the same.</exception>
    public static async Task Use(IDevice device, Func<MassStorageDriver, Task> work, int port = 1) =>
        await Use(await UsbHostControllers.Start(device), work, port);

    private static async Task Use(IUsbHostController controller, Func<MassStorageDriver, Task> work, int port)
    {
        try
        {
            UsbDeviceHandle usb = await UsbDeviceHandle.Enumerate(controller, port);
            try
            {
                MassStorageDriver disk = await MassStorageDriver.Start(usb);
                try
                {
                    await work(disk);
                }
                finally
                {
                    await disk.Stop();
                }
            }
            finally
            {
                await usb.Release();
            }
        }
        finally
        {
            await controller.Stop();
        }
    }

    /// <summary>Reads every block of a disk that is up.</summary>
    public static async Task<byte[]> ReadAll(MassStorageDriver disk, IDmaSpace dma)
    {
        byte[] content = new byte[disk.BlockCount * (ulong)disk.BlockBytes];
        for (int done = 0; done < content.Length;)
        {
            MemoryBuffer buffer = dma.Allocate(Math.Min(PieceBytes, content.Length - done));
            try
            {
                await disk.Read((ulong)(done / disk.BlockBytes), buffer);
                buffer.Read(0, content.AsSpan(done, buffer.Length));
                done += buffer.Length;
            }
            finally
            {
                Assert.Equal(DmaRefusal.None, dma.Free(buffer));
            }
        }

        return content;
    }
}
