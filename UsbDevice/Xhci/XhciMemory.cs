using System.Runtime.InteropServices;
using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>The controller's way to rings, contexts, tables and buffers.</summary>
/// <remarks>
/// A method that returns <c>false</c> met a bus error. Where that stops the controller (xHCI, host system error) it is kept
/// in <see cref="HasFailed"/>, nothing goes out any more, and whoever asked gives up. A refused write is such an error only where
/// the controller can hear of it.
/// </remarks>
internal sealed class XhciMemory(IDmaPort port, XhciOptions options)
{
    /// <summary>Whether the bus failed the controller since the last reset.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Forgets the failure.</summary>
    public void Reset() => HasFailed = false;

    /// <summary>Reads a structure.</summary>
    public bool TryRead<T>(ulong address, out T structure)
        where T : unmanaged
    {
        structure = default;
        return TryRead(address, MemoryMarshal.AsBytes(new Span<T>(ref structure)));
    }

    /// <summary>Writes a structure.</summary>
    public bool TryWrite<T>(ulong address, in T structure)
        where T : unmanaged => TryWrite(address, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in structure)));

    /// <summary>Reads bytes that the controller cannot do without.</summary>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!HasFailed)
            HasFailed = Read(address, destination) != DmaStatus.Success;
        return !HasFailed;
    }

    /// <summary>Writes bytes that the controller cannot do without.</summary>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!HasFailed)
            HasFailed = IsNoticed(Write(address, source));
        return !HasFailed;
    }

    /// <summary>Reads from a buffer; a packet without data asks nothing of the bus.</summary>
    public bool TryReadData(ulong address, Span<byte> destination)
    {
        if (HasFailed)
            return false;
        if (destination.IsEmpty || Read(address, destination) == DmaStatus.Success)
            return true;
        HasFailed = options.DataFault == DataFault.HostSystemError;
        return false;
    }

    /// <summary>Writes to a buffer; a packet without data asks nothing of the bus.</summary>
    public bool TryWriteData(ulong address, ReadOnlySpan<byte> source)
    {
        if (HasFailed)
            return false;
        if (source.IsEmpty || !IsNoticed(Write(address, source)))
            return true;
        HasFailed = options.DataFault == DataFault.HostSystemError;
        return false;
    }

    private DmaStatus Read(ulong address, Span<byte> destination) =>
        Fits(ref address, destination.Length) ? port.Read(new(address), destination) : DmaStatus.Unclaimed;

    private DmaStatus Write(ulong address, ReadOnlySpan<byte> source) =>
        Fits(ref address, source.Length) ? port.Write(new(address), source) : DmaStatus.Unclaimed;

    // Nothing wraps around the end of the address space.
    private bool Fits(ref ulong address, int length)
    {
        if (!options.Addresses64Bit)
            address = (uint)address;
        return address <= ulong.MaxValue - (ulong)length;
    }

    // That it may not master the bus the controller knows by itself; other refusals of posted writes it may not hear of.
    private bool IsNoticed(DmaStatus status) => status switch
    {
        DmaStatus.Success => false,
        DmaStatus.NotMaster => true,
        _ => options.PostedWriteFault == PostedWriteFault.HostSystemError,
    };
}
