using Dma.Drivers;
using Dma.Hal;

namespace Dma.Lab;

/// <summary>A driver of the host for a USB disk: nobody else gets the disk while somebody reads it.</summary>
public sealed class HostDisk : IHostClassDriver
{
    private MassStorageDriver? _disk;
    private IDmaSpace? _memory;
    private int _users;

    /// <summary>Whether it has the disk.</summary>
    public bool IsUp => _disk is not null;

    /// <summary>How many blocks the disk has; 0 without one.</summary>
    public ulong BlockCount => _disk?.BlockCount ?? 0;

    /// <summary>Reads blocks; while it does, it does not let the disk go.</summary>
    /// <param name="firstBlock">The first block.</param>
    /// <param name="destination">Where they go, whole blocks.</param>
    /// <exception cref="DriverException">It does not have the disk, or the disk does not answer.</exception>
    public async ValueTask Read(ulong firstBlock, Memory<byte> destination)
    {
        if (_disk is not { } disk || _memory is not { } memory)
            throw new DriverException(DriverFailure.NoDriver, "The host does not have the disk.");
        _users++;
        MemoryBuffer buffer = memory.Allocate(destination.Length);
        try
        {
            await disk.Read(firstBlock, buffer);
            buffer.Read(0, destination.Span);
        }
        finally
        {
            _ = memory.Free(buffer);
            _users--;
        }
    }

    /// <inheritdoc/>
    public async ValueTask Bind(UsbDeviceHandle device) =>
        (_disk, _memory) = (await MassStorageDriver.Start(device), device.Controller.Memory);

    /// <inheritdoc/>
    public async ValueTask<bool> Unbind()
    {
        if (_users != 0)
            return false;
        if (_disk is { } disk)
            await disk.Stop();
        Forget();
        return true;
    }

    /// <summary>Has the disk no longer, without a word to it: its controller does not serve it any more.</summary>
    public void Forget() => (_disk, _memory) = (null, null);
}
