using System.Security.Cryptography;
using CommunityToolkit.HighPerformance.Buffers;
using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>The guest's drivers, one on the other, from the controller up to the disk.</summary>
internal sealed class Session
{
    /// <summary>How much the guest reads at a time, in bytes.</summary>
    private const int PieceBytes = 256 * 1024;

    private readonly EhciDriver _controller;
    private readonly UsbDeviceHandle _device;

    private Session(EhciDriver controller, UsbDeviceHandle device) => (_controller, _device) = (controller, device);

    /// <summary>The disk, once it is started.</summary>
    public MassStorageDriver? Disk { get; private set; }

    /// <summary>Memory that the controller can reach.</summary>
    public IDmaSpace Memory => _controller.Memory;

    /// <summary>Whether the controller gave up.</summary>
    public bool HasStopped => _controller.HasStopped;

    /// <summary>Brings the controller up and gives the device at a port an address.</summary>
    /// <param name="device">The controller.</param>
    /// <param name="port">The port, from 1.</param>
    public static async ValueTask<Session> Open(IDevice device, int port = 1)
    {
        EhciDriver controller = await EhciDriver.Start(device);
        try
        {
            return new(controller, await UsbDeviceHandle.Enumerate(controller, port));
        }
        catch (DriverException)
        {
            await controller.Stop();
            throw;
        }
    }

    /// <summary>Finds out what the disk is.</summary>
    public async ValueTask<MassStorageDriver> StartDisk() => Disk = await MassStorageDriver.Start(_device);

    /// <summary>Reads every block of the disk by DMA and adds it up.</summary>
    /// <param name="progress">Told how far it is: bytes read, bytes in all.</param>
    /// <returns>Bytes read, and their checksum.</returns>
    public async ValueTask<(ulong Bytes, byte[] Sha256)> ReadAll(Action<ulong, ulong> progress)
    {
        MassStorageDriver disk = Disk ?? await StartDisk();
        ulong total = disk.BlockCount * (ulong)disk.BlockBytes;
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using MemoryOwner<byte> bytes = MemoryOwner<byte>.Allocate(PieceBytes);
        MemoryBuffer buffer = _controller.Memory.Allocate(PieceBytes);
        ulong done = 0;
        while (done < total)
        {
            int step = (int)Math.Min(PieceBytes, total - done);
            MemoryBuffer piece = buffer.Slice(0, step);
            await disk.Read(done / (ulong)disk.BlockBytes, piece);
            piece.Read(0, bytes.Span[..step]);
            hash.AppendData(bytes.Span[..step]);
            done += (ulong)step;
            progress(done, total);
        }

        _ = _controller.Memory.Free(buffer);
        return (done, hash.GetHashAndReset());
    }

    /// <summary>Writes the last block, as it was read, to where it came from: DMA in the other direction.</summary>
    /// <returns>Bytes written.</returns>
    public async ValueTask<ulong> WriteLastBlockBack()
    {
        MassStorageDriver disk = Disk ?? await StartDisk();
        MemoryBuffer buffer = _controller.Memory.Allocate(disk.BlockBytes);
        await disk.Read(disk.BlockCount - 1, buffer);
        await disk.Write(disk.BlockCount - 1, buffer);
        _ = _controller.Memory.Free(buffer);
        return (ulong)disk.BlockBytes;
    }

    /// <summary>Lets go of the disk and keeps the device.</summary>
    public async ValueTask StopDisk()
    {
        if (Disk is { } disk)
            await disk.Stop();
        Disk = null;
    }

    /// <summary>Shuts everything down, whatever state it is in.</summary>
    public async ValueTask Close()
    {
        await StopDisk();
        await _device.Release();
        await _controller.Stop();
    }

    /// <summary>The checksum of a disk image, read without any simulation.</summary>
    public static byte[] HashOf(IDiskImage image)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using SpanOwner<byte> bytes = SpanOwner<byte>.Allocate(PieceBytes);
        for (ulong done = 0; done < image.Length;)
        {
            int step = (int)Math.Min(PieceBytes, image.Length - done);
            if (!image.TryRead(done, bytes.Span[..step]))
                return [];
            hash.AppendData(bytes.Span[..step]);
            done += (ulong)step;
        }

        return hash.GetHashAndReset();
    }
}
