using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Workloads;

/// <summary>A guest that reads a disk through a USB controller and the remapping unit, beside the copy of the same bytes; an operation is 4 KiB.</summary>
/// <remarks>A batch is one call of the guest's driver: it maps its buffer, gives as many commands as the transfer needs, and unmaps.</remarks>
public sealed class BulkReadWorkload : Workload
{
    /// <summary>Bytes of the disk.</summary>
    public const int DiskBytes = 4 << 20;

    private const int PageBytes = 4096;
    private const int BatchBytes = OperationsPerBatch * PageBytes;
    private const int BlockBytes = 512;
    private const ulong GuestBytes = 8 << 20;
    private const int Seed = 3;

    private readonly byte[] _content = new byte[DiskBytes];
    private readonly FlatMemory _flat = new(BatchBytes);
    private readonly UsbWorld _world;
    private readonly Signal _begin;
    private readonly Func<bool> _isRead;
    private readonly MassStorageDriver _disk;
    private readonly MemoryBuffer _buffer;
    private int _flatNext;
    private int _next;
    private ulong _asked;
    private ulong _read;

    /// <summary>A disk with random content at the fastest port of a controller.</summary>
    /// <param name="controller">Which one.</param>
    public BulkReadWorkload(ControllerKind controller)
    {
        new Random(Seed).NextBytes(_content);
        _world = new(controller, GuestBytes);
        _world.Ports[_world.DiskPort - 1].Plug(new MassStorageDevice(new MemoryDiskImage(_content), speed: _world.DiskSpeed));
        _disk = _world.Loop.Run(async () =>
        {
            await _world.Start();
            return await _world.OpenDisk(_world.DiskPort);
        });
        _buffer = _world.Driver.Memory.Allocate(BatchBytes);
        _begin = new(_world.Loop);
        _isRead = () => _read == _asked;
        _world.Loop.Start(Read);
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        for (int offset = 0; offset < BatchBytes; offset += PageBytes)
            _content.AsSpan(_flatNext + offset, PageBytes).CopyTo(_flat.Bytes(offset, PageBytes));
        _flatNext = (_flatNext + BatchBytes) % DiskBytes;
        return _flat.Bytes(0, 1)[0];
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        _asked++;
        _begin.Raise();
        if (!_world.Loop.RunUntil(_isRead))
            throw new InvalidOperationException("The guest does not come to the end of its transfer.");
        return _read;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        byte[] found = new byte[BatchBytes];
        for (int batch = 0; batch < DiskBytes / BatchBytes; batch++)
        {
            int start = _next;
            _flatNext = start;
            _ = Baseline();
            _ = Simulator();
            _buffer.Read(0, found);
            if (!_flat.Bytes(0, BatchBytes).SequenceEqual(found))
                return $"The bytes from {start:X}h on differ.";
        }

        return _world.Faults == 0 ? null : $"The remapping unit refused {_world.Faults} accesses.";
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _flat.Dispose();
        _world.Dispose();
    }

    // The software of the guest: a part of the disk each time that it is asked.
    private async Task Read()
    {
        while (true)
        {
            _ = await _begin.Wait();
            await _disk.Read((ulong)(_next / BlockBytes), _buffer);
            _next = (_next + BatchBytes) % DiskBytes;
            _read++;
        }
    }
}
