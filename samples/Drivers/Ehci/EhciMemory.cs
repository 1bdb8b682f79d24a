using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The memory that driver and controller share: queue heads, transfer descriptors, setup packets, the frame list.</summary>
/// <remarks>
/// Chunks of coherent memory that all have the same upper address half, as CTRLDSSEGMENT asks. There is one to begin
/// with; more come when it is used up. Places in it are offsets, the number of the chunk in the upper bits. Slots are
/// powers of two, so that no structure straddles a 4 KiB page.
///
/// <code>
/// first chunk    0000h  16 large slots: queue heads      0800h  96 small ones: transfer descriptors, setup packets
/// later chunks   64 large slots or 128 small ones, or the frame list
/// </code>
/// </remarks>
internal sealed class EhciMemory
{
    /// <summary>Bytes of a slot that holds a queue head or an iTD.</summary>
    public const int LargeSlot = 128;

    /// <summary>Bytes of a slot that holds a transfer descriptor, a siTD or a setup packet.</summary>
    public const int SmallSlot = 64;

    private const int ChunkBytes = 0x2000;
    private const int FirstSmall = 0x800;
    private const int FrameListBytes = 0x1000;
    private const int ChunksMax = 64;

    private readonly IDmaSpace _dma;
    private readonly bool _addresses64Bit;
    private readonly List<CoherentBuffer> _chunks = [];
    private readonly Stack<int> _large = new();
    private readonly Stack<int> _small = new();

    private EhciMemory(IDmaSpace dma, bool addresses64Bit) => (_dma, _addresses64Bit) = (dma, addresses64Bit);

    /// <summary>Bits 63:32 of the device address of every structure.</summary>
    public uint Segment => (uint)(_chunks[0].Mapping.DeviceAddress.Value >> 32);

    /// <summary>Gets the first chunk.</summary>
    /// <param name="dma">Where from.</param>
    /// <param name="addresses64Bit">Whether the controller forms addresses of 4 GiB and more.</param>
    /// <exception cref="DriverException">There is none that the controller can reach.</exception>
    public static async ValueTask<EhciMemory> Allocate(IDmaSpace dma, bool addresses64Bit)
    {
        EhciMemory memory = new(dma, addresses64Bit);
        int first = await memory.Grow(ChunkBytes);
        Cut(first, first + FirstSmall, LargeSlot, memory._large);
        Cut(first + FirstSmall, first + ChunkBytes, SmallSlot, memory._small);
        return memory;
    }

    /// <summary>Gives the memory back; the controller must have stopped before.</summary>
    public async ValueTask Free()
    {
        foreach (CoherentBuffer chunk in _chunks)
            (await _dma.FreeCoherent(chunk)).Require("free the schedule");
        _chunks.Clear();
    }

    /// <summary>Whether the controller can form all addresses of a buffer.</summary>
    public bool CanReach(DmaMapping data) =>
        _addresses64Bit || data.DeviceAddress.Value + (ulong)data.Length <= 1ul << 32;

    /// <summary>Whether slots can be taken.</summary>
    public bool Has(int large, int small) => _large.Count >= large && _small.Count >= small;

    /// <summary>Sees to it that slots can be taken.</summary>
    /// <param name="large">How many large ones.</param>
    /// <param name="small">How many small ones.</param>
    /// <exception cref="DriverException">There is no memory for so many.</exception>
    public async ValueTask Reserve(int large, int small)
    {
        while (_large.Count < large)
        {
            int chunk = await Grow(ChunkBytes);
            Cut(chunk, chunk + ChunkBytes, LargeSlot, _large);
        }

        while (_small.Count < small)
        {
            int chunk = await Grow(ChunkBytes);
            Cut(chunk, chunk + ChunkBytes, SmallSlot, _small);
        }
    }

    /// <summary>Gets a frame list of 1024 elements.</summary>
    /// <returns>Its place.</returns>
    /// <exception cref="DriverException">There is no memory for it.</exception>
    public ValueTask<int> AllocateFrameList() => Grow(FrameListBytes);

    /// <summary>Bits 31:0 of the device address of a structure.</summary>
    public uint Address(int offset) => (uint)DeviceAddress(offset);

    /// <summary>The device address of a structure.</summary>
    public ulong DeviceAddress(int offset) => _chunks[offset / ChunkBytes].Mapping.DeviceAddress.Value + (ulong)(offset % ChunkBytes);

    /// <summary>Takes a large slot that was reserved; its contents are what the last user left.</summary>
    public int TakeLarge() => _large.Pop();

    /// <summary>Takes a small slot that was reserved; its contents are what the last user left.</summary>
    public int TakeSmall() => _small.Pop();

    /// <summary>Gives a large slot back that the controller cannot reach any more.</summary>
    public void ReturnLarge(int offset) => _large.Push(offset);

    /// <summary>Gives a small slot back that the controller cannot reach any more.</summary>
    public void ReturnSmall(int offset) => _small.Push(offset);

    /// <summary>Reads a structure, or a part of one.</summary>
    public T Read<T>(int offset)
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        _chunks[offset / ChunkBytes].Memory.Read(offset % ChunkBytes, bytes);
        return Packed.Read<T>(bytes);
    }

    /// <summary>Writes a structure, or a part of one.</summary>
    public void Write<T>(int offset, in T value)
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        Packed.Write(value, bytes);
        _chunks[offset / ChunkBytes].Memory.Write(offset % ChunkBytes, bytes);
    }

    private async ValueTask<int> Grow(int bytes)
    {
        if (_chunks.Count == ChunksMax)
            throw new DriverException(DriverFailure.DmaRefused, $"The schedule has {ChunksMax} chunks already.");
        CoherentBuffer chunk;
        try
        {
            chunk = await _dma.AllocateCoherent(bytes);
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for the schedule: {refusal.Message}");
        }

        ulong first = chunk.Mapping.DeviceAddress.Value;
        ulong last = first + (ulong)(bytes - 1);
        bool isInSegment = first >> 32 == last >> 32 && (_chunks.Count == 0 || first >> 32 == Segment);
        if (isInSegment && (_addresses64Bit || last <= uint.MaxValue))
        {
            _chunks.Add(chunk);
            return (_chunks.Count - 1) * ChunkBytes;
        }

        (await _dma.FreeCoherent(chunk)).Require("free the schedule");
        throw new DriverException(DriverFailure.DmaRefused, "The schedule got addresses that the controller cannot form.");
    }

    private static void Cut(int from, int to, int slot, Stack<int> slots)
    {
        for (int offset = to - slot; offset >= from; offset -= slot)
            slots.Push(offset);
    }
}
