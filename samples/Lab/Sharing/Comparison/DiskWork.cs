using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A VM reads its disk from beginning to end, again and again, as fast as it can.</summary>
internal sealed class DiskWork : SharingWork
{
    private const int DiskBytes = 256 * 1024;
    private const int ReadBytes = 16 * 1024;

    private readonly byte[] _content;

    /// <summary>A disk.</summary>
    /// <param name="loop">The time.</param>
    /// <param name="random">Where its content comes from.</param>
    public DiskWork(EventLoop loop, Random random)
        : this(loop, ContentFrom(random))
    {
    }

    private DiskWork(EventLoop loop, byte[] content)
        : base(loop, new MassStorageDevice(new MemoryDiskImage(content)), isPeriodic: false) => _content = content;

    /// <inheritdoc/>
    public override async Task Run(UsbDeviceHandle device)
    {
        MassStorageDriver disk = await MassStorageDriver.Start(device);
        MemoryBuffer buffer = device.Controller.Memory.Allocate(ReadBytes);
        byte[] found = new byte[ReadBytes];
        Ready.Raise();
        for (int at = 0; ; at = (at + ReadBytes) % DiskBytes)
        {
            await disk.Read((ulong)(at / disk.BlockBytes), buffer);
            buffer.Read(0, found);
            if (!found.AsSpan().SequenceEqual(_content.AsSpan(at, ReadBytes)))
                Fail("it read what is not on its disk");
        }
    }

    private static byte[] ContentFrom(Random random)
    {
        byte[] content = new byte[DiskBytes];
        random.NextBytes(content);
        return content;
    }
}
