using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The controller's way to the structures and buffers of its schedules.</summary>
/// <remarks>
/// A method that returns <c>false</c> met a bus error that stops the controller (EHCI, host system error). A refused
/// write is such an error only where the controller can hear of it.
/// </remarks>
internal sealed class ScheduleMemory(IDmaPort port, EhciOptions options)
{
    /// <summary>Bytes in a page of a buffer.</summary>
    public const int PageBytes = 4096;

    /// <summary>CTRLDSSEGMENT: bits 63:32 of the address of every structure.</summary>
    public uint Segment { get; set; }

    /// <summary>Whether structures have upper address doublewords.</summary>
    public bool Is64Bit => options.Addresses64Bit;

    /// <summary>Reads the front of a structure; the rest of it is zero.</summary>
    /// <param name="address">Where, within the segment.</param>
    /// <param name="size">How many bytes of it there are.</param>
    /// <param name="structure">The structure.</param>
    public bool TryRead<T>(uint address, int size, out T structure)
        where T : unmanaged
    {
        structure = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<T>(ref structure));
        return TryReadData(Structure(address), whole[..size]);
    }

    /// <summary>Writes bytes of a structure.</summary>
    /// <param name="address">Where, within the segment.</param>
    /// <param name="bytes">The bytes.</param>
    public bool TryWrite(uint address, ReadOnlySpan<byte> bytes) => TryWriteData(Structure(address), bytes);

    /// <summary>Reads from a buffer; a packet without data asks nothing of the bus, whatever its pointer says.</summary>
    /// <param name="address">Where it begins.</param>
    /// <param name="nextPage">Where it goes on after the end of that page.</param>
    /// <param name="destination">At most a page.</param>
    public bool TryReadData(Iova address, Iova nextPage, Span<byte> destination)
    {
        int first = InFirstPage(address, destination.Length);
        return TryReadData(address, destination[..first]) && TryReadData(nextPage, destination[first..]);
    }

    /// <summary>Writes to a buffer; a packet without data asks nothing of the bus, whatever its pointer says.</summary>
    /// <param name="address">Where it begins.</param>
    /// <param name="nextPage">Where it goes on after the end of that page.</param>
    /// <param name="source">At most a page.</param>
    public bool TryWriteData(Iova address, Iova nextPage, ReadOnlySpan<byte> source)
    {
        int first = InFirstPage(address, source.Length);
        return TryWriteData(address, source[..first]) && TryWriteData(nextPage, source[first..]);
    }

    private static int InFirstPage(Iova address, int length) => Math.Min(length, PageBytes - (int)(address.Value % PageBytes));

    private bool TryReadData(Iova address, Span<byte> destination) =>
        destination.IsEmpty || port.Read(address, destination) == DmaStatus.Success;

    private bool TryWriteData(Iova address, ReadOnlySpan<byte> source) => source.IsEmpty || port.Write(address, source) switch
    {
        DmaStatus.Success => true,

        // The controller may not master the bus: that it knows by itself.
        DmaStatus.NotMaster => false,
        _ => options.PostedWriteFault == PostedWriteFault.Silent,
    };

    private Iova Structure(uint address) => new(((ulong)Segment << 32) | address);
}
