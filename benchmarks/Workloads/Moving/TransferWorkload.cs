using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>A device that moves whole pages of 4 KiB through the unit, beside the copy alone.</summary>
public sealed class TransferWorkload : Workload
{
    private const int PageBytes = 4096;

    private readonly WorkingSet _set;
    private readonly bool _toMemory;
    private readonly RemappedWorld _world;
    private readonly FlatMemory _flat;
    private readonly AddressStream _forBaseline;
    private readonly AddressStream _forSimulator;
    private readonly byte[] _device = new byte[PageBytes];

    /// <summary>Transfers in one working set.</summary>
    /// <param name="pages">Pages of 4 KiB: few, which stay in the processor's caches, or so many that they do not.</param>
    /// <param name="toMemory">Whether the device writes memory, rather than reads it.</param>
    public TransferWorkload(int pages, bool toMemory)
    {
        _set = new(pages, 12);
        _toMemory = toMemory;
        _world = new(_set, HardwareProfile.Named("friendly"));
        _flat = new(pages * PageBytes);
        _forBaseline = new(_set, RemappedWorld.FirstAddress, PageBytes);
        _forSimulator = _forBaseline.FromMiddle();
        Fill();
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        foreach (ulong address in _forBaseline.NextBatch())
            Copy(address);
        return _device[0];
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        ulong moved = 0;
        foreach (ulong address in _forSimulator.NextBatch())
            moved += Transfer(address) == DmaStatus.Success ? 1ul : 0;
        return moved;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        byte[] expected = new byte[PageBytes];
        byte[] found = new byte[PageBytes];
        for (int number = 0; number < _set.Pages; number++)
        {
            ulong address = RemappedWorld.FirstAddress + ((ulong)number * PageBytes);
            _device.AsSpan().Fill((byte)~number);
            Copy(address);
            (_toMemory ? PageOf(address) : _device).CopyTo(expected);

            _device.AsSpan().Fill((byte)~number);
            DmaStatus status = Transfer(address);
            if (_toMemory)
                _ = _world.Port.Read(new(address), found);
            else
                _device.CopyTo(found, 0);
            if (status != DmaStatus.Success || !found.AsSpan().SequenceEqual(expected))
                return $"The bytes at {address:X}h differ, and the transfer ended with {status}.";
        }

        Fill();
        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _flat.Dispose();
        _world.Dispose();
    }

    // Every page holds its own number in each quadword, on both sides; so all of it is touched before it is timed.
    private void Fill()
    {
        Span<ulong> page = stackalloc ulong[PageBytes / sizeof(ulong)];
        Span<byte> bytes = MemoryMarshal.AsBytes(page);
        for (int number = 0; number < _set.Pages; number++)
        {
            page.Fill((ulong)number);
            ulong address = RemappedWorld.FirstAddress + ((ulong)number * PageBytes);
            bytes.CopyTo(PageOf(address));
            if (_world.Port.Write(new(address), bytes) != DmaStatus.Success)
                throw new InvalidOperationException($"The page at {address:X}h cannot be written.");
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Copy(ulong address)
    {
        if (_toMemory)
            _device.AsSpan().CopyTo(PageOf(address));
        else
            PageOf(address).CopyTo(_device);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private DmaStatus Transfer(ulong address) =>
        _toMemory ? _world.Port.Write(new(address), _device) : _world.Port.Read(new(address), _device);

    private Span<byte> PageOf(ulong address) => _flat.Bytes((int)(address - RemappedWorld.FirstAddress), PageBytes);
}
