using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Workloads;

/// <summary>Interrupts of a device through a table that the unit has in its cache, beside doublewords that it writes to pages in the IOTLB.</summary>
public sealed class InterruptWorkload : Workload
{
    private const ulong Table = 0x1000;
    private const ulong Descriptor = 0x8000;
    private const int Entries = 64;
    private static readonly SourceId s_source = new(0, 2, 0);
    private static readonly WorkingSet s_pages = new(Entries, 12);

    private readonly RemappedWorld _translating = new(s_pages, HardwareProfile.Named("friendly"));
    private readonly AddressStream _addresses = new(s_pages, RemappedWorld.FirstAddress);
    private readonly PhysicalMemory _memory = new(1 << 20);
    private readonly Processor _processor = new();
    private readonly RemappedPort _port;
    private readonly Iova[] _requests = [.. Enumerable.Range(0, Entries).Select(AddressOf)];
    private readonly bool _isPosted;
    private int _next;

    /// <summary>Interrupts by entries of one form.</summary>
    /// <param name="isPosted">Whether they are posted, with notifications held back, rather than sent on.</param>
    public InterruptWorkload(bool isPosted)
    {
        _isPosted = isPosted;
        RemappingUnit unit = new(_memory, _processor, HardwareProfile.Named("friendly"));
        for (int index = 0; index < Entries; index++)
            Store(Table + ((ulong)index * 16), isPosted ? Posted(index) : Remapped(index));
        Store(Descriptor, new PostedInterruptDescriptor { SuppressNotification = true }.Raw);
        unit.Write(RegisterOffsets.InterruptTableAddress, 8, new InterruptTableAddress { Table = new(Table), SizeCode = 5 }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetInterruptRemapTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { InterruptRemappingEnable = true }.Raw.Value);
        _port = unit.Open(s_source);
    }

    /// <inheritdoc/>
    public override ulong Baseline()
    {
        Span<byte> data = stackalloc byte[sizeof(uint)];
        data.Clear();
        ulong done = 0;
        foreach (ulong address in _addresses.NextBatch())
            done += (ulong)_translating.Port.Write(new(address), data);
        return done;
    }

    /// <inheritdoc/>
    public override ulong Simulator()
    {
        Span<byte> data = stackalloc byte[sizeof(uint)];
        data.Clear();
        int index = _next;
        for (int sent = 0; sent < OperationsPerBatch; sent++)
        {
            _ = _port.Write(_requests[index], data);
            index = (index + 1) % Entries;
        }

        _next = index;
        return _processor.Sum;
    }

    /// <inheritdoc/>
    public override string? FindDifference()
    {
        for (int index = 0; index < Entries; index++)
        {
            _processor.Last = default;
            if (_port.Write(_requests[index], new byte[sizeof(uint)]) != DmaStatus.Success)
                return $"Interrupt {index} was refused.";
            if (Compare((ulong)index, VectorOf(index), _isPosted ? LowestPosted() : _processor.Last.Vector) is { } difference)
                return difference;
        }

        return null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        _translating.Dispose();
        _memory.Dispose();
    }

    private static byte VectorOf(int index) => (byte)(255 - index);

    private static InterruptRemappingEntry Common(int index) =>
        new() { Present = true, Vector = VectorOf(index), Source = s_source, SourceValidation = SourceValidationType.Requester };

    private static Bits128 Remapped(int index) => new RemappedInterrupt { Common = Common(index) }.Raw;

    private static Bits128 Posted(int index) =>
        new PostedInterrupt { Common = Common(index) with { IsPosted = true }, Descriptor = new(Descriptor) }.Raw;

    private static Iova AddressOf(int handle) =>
        new((new InterruptRequestAddress(new(InterruptRange.First)) with { IsRemappable = true, Handle = handle }).Raw.Value);

    // Entries have descending vectors: what was posted last is the lowest one.
    private ulong LowestPosted()
    {
        ulong vector = 0;
        while (_memory.TryRead(new PhysicalAddress(Descriptor), out Bits512 raw) && !raw.Bit((int)vector))
            vector++;
        return vector;
    }

    private void Store<T>(ulong address, T value)
        where T : unmanaged
    {
        if (!_memory.TryWrite(new(address), value))
            throw new InvalidOperationException($"No memory at {address:X}h.");
    }

    private sealed class Processor : IInterruptSink
    {
        public MessageInterrupt Last { get; set; }

        public ulong Sum { get; private set; }

        public void Deliver(MessageInterrupt message)
        {
            Last = message;
            Sum += message.Data;
        }
    }
}
