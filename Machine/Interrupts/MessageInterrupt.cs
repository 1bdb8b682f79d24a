namespace Dma.Machine;

/// <summary>A message-signalled interrupt: a doubleword written into the interrupt range.</summary>
/// <param name="Address">The address of the write; bits 63:32 carry the high part of an x2APIC destination.</param>
/// <param name="Data">The doubleword written.</param>
public readonly record struct MessageInterrupt(ulong Address, uint Data)
{
    /// <summary>Bits 19:12 of the address: the destination, as an xAPIC id.</summary>
    public byte Destination => (byte)(Address >> 12);

    /// <summary>Bits 7:0 of the data: the vector.</summary>
    public byte Vector => (byte)Data;

    /// <summary>A fixed, edge-triggered, physical-mode message.</summary>
    public static MessageInterrupt To(byte destination, byte vector) =>
        new(InterruptRange.First | ((ulong)destination << 12), vector);
}
