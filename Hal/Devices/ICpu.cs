using Dma.Machine;

namespace Dma.Hal;

/// <summary>The machine as software on one of its processors sees it, real or virtual.</summary>
/// <remarks>
/// Addresses are what the software believes to be physical: on bare metal they are, in a VM second-level
/// paging stands behind them. Nothing here fails by exception: where nothing answers, loads give all ones
/// and stores are lost, as on a bus.
/// </remarks>
public interface ICpu
{
    /// <summary>Time and its price.</summary>
    Processor Processor { get; }

    /// <summary>Copies bytes out of memory; <c>false</c>, and the destination untouched, where not all are memory.</summary>
    bool TryRead(GuestPhysicalAddress address, Span<byte> destination);

    /// <summary>Copies bytes into memory; <c>false</c>, and memory untouched, where not all are memory.</summary>
    bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source);

    /// <summary>A load of 1, 2, 4 or 8 bytes from memory or a device register.</summary>
    ulong Load(GuestPhysicalAddress address, int width);

    /// <summary>A store of 1, 2, 4 or 8 bytes to memory or a device register.</summary>
    void Store(GuestPhysicalAddress address, int width, ulong value);

    /// <summary>Reads an I/O port, 1, 2 or 4 bytes.</summary>
    uint In(ushort port, int width);

    /// <summary>Writes an I/O port, 1, 2 or 4 bytes.</summary>
    void Out(ushort port, int width, uint value);

    /// <summary>The id to which interrupt messages for this processor are addressed.</summary>
    byte ApicId { get; }

    /// <summary>The signal that an interrupt vector raises, 16 to 255.</summary>
    Signal Vector(byte vector);
}
