using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The memory that driver and controller share: queue heads, transfer descriptors and a setup packet.</summary>
/// <remarks>
/// One coherent buffer, so that all structures have the same upper address half, as CTRLDSSEGMENT asks. Slots are
/// powers of two, so that no structure straddles a 4 KiB page.
///
/// <code>
/// 0000h  setup packet      0080h  15 queue heads of 128 bytes      0800h  96 transfer descriptors of 64 bytes
/// </code>
/// </remarks>
internal sealed class EhciMemory
{
    private const int Bytes = 0x2000;
    private const int QueueHeadSlot = 128;
    private const int FirstDescriptor = 0x800;
    private const int DescriptorSlot = 64;

    private readonly CoherentBuffer _buffer;
    private readonly Stack<int> _queueHeads = new();
    private readonly Stack<int> _descriptors = new();

    private EhciMemory(CoherentBuffer buffer)
    {
        _buffer = buffer;
        for (int offset = FirstDescriptor - QueueHeadSlot; offset >= QueueHeadSlot; offset -= QueueHeadSlot)
            _queueHeads.Push(offset);
        for (int offset = Bytes - DescriptorSlot; offset >= FirstDescriptor; offset -= DescriptorSlot)
            _descriptors.Push(offset);
    }

    /// <summary>Bits 63:32 of the device address of every structure.</summary>
    public uint Segment => (uint)(_buffer.Mapping.DeviceAddress.Value >> 32);

    /// <summary>The device address of the setup packet, which lies at offset 0.</summary>
    public ulong SetupAddress => _buffer.Mapping.DeviceAddress.Value;

    /// <summary>Gets the memory.</summary>
    /// <param name="dma">Where from.</param>
    /// <param name="addresses64Bit">Whether the controller forms addresses of 4 GiB and more.</param>
    /// <exception cref="DriverException">There is none that the controller can reach.</exception>
    public static async ValueTask<EhciMemory> Allocate(IDmaSpace dma, bool addresses64Bit)
    {
        CoherentBuffer buffer;
        try
        {
            buffer = await dma.AllocateCoherent(Bytes);
        }
        catch (InvalidOperationException refusal)
        {
            throw new DriverException(DriverFailure.DmaRefused, $"No memory for the schedule: {refusal.Message}");
        }

        ulong first = buffer.Mapping.DeviceAddress.Value;
        ulong last = first + (Bytes - 1);
        if (first >> 32 == last >> 32 && (addresses64Bit || last <= uint.MaxValue))
            return new(buffer);
        (await dma.FreeCoherent(buffer)).Require("free the schedule");
        throw new DriverException(DriverFailure.DmaRefused, "The schedule got addresses that the controller cannot form.");
    }

    /// <summary>Gives the memory back; the controller must have stopped before.</summary>
    public ValueTask<DmaRefusal> Free(IDmaSpace dma) => dma.FreeCoherent(_buffer);

    /// <summary>Bits 31:0 of the device address of a structure.</summary>
    public uint Address(int offset) => (uint)(_buffer.Mapping.DeviceAddress.Value + (ulong)offset);

    /// <summary>Takes a slot for a queue head; its contents are what the last user left.</summary>
    /// <exception cref="InvalidOperationException">More pipes are open than there are slots: the caller's bug.</exception>
    public int TakeQueueHead() => _queueHeads.Pop();

    /// <summary>Gives a queue head back that the controller cannot reach any more.</summary>
    public void ReturnQueueHead(int offset) => _queueHeads.Push(offset);

    /// <summary>Takes a slot for a transfer descriptor; its contents are what the last user left.</summary>
    /// <exception cref="InvalidOperationException">A transfer is longer than the driver allows: its bug.</exception>
    public int TakeDescriptor() => _descriptors.Pop();

    /// <summary>Gives a transfer descriptor back that the controller cannot reach any more.</summary>
    public void ReturnDescriptor(int offset) => _descriptors.Push(offset);

    /// <summary>Reads a structure, or a part of one.</summary>
    public T Read<T>(int offset)
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        _buffer.Memory.Read(offset, bytes);
        return Packed.Read<T>(bytes);
    }

    /// <summary>Writes a structure, or a part of one.</summary>
    public void Write<T>(int offset, in T value)
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        Packed.Write(value, bytes);
        _buffer.Memory.Write(offset, bytes);
    }
}
