namespace Dma.Machine;

/// <summary>A message-signalled interrupt: a doubleword written into the interrupt range (Intel SDM volume 3, 11.11).</summary>
/// <param name="Address">The address of the write; bits 63:32 carry the high part of an x2APIC destination.</param>
/// <param name="Data">The doubleword written.</param>
public readonly record struct MessageInterrupt(ulong Address, uint Data)
{
    /// <summary>Bits 19:12 of the address: the destination, as an xAPIC id.</summary>
    public byte Destination => (byte)(Address >> 12);

    /// <summary>Bits 63:40 and 19:12 of the address: the destination, as an x2APIC id.</summary>
    public uint ExtendedDestination => ((uint)(Address >> 40) << 8) | Destination;

    /// <summary>Bit 3 of the address, RH: the destination is a choice of processors.</summary>
    public bool IsRedirectable => new Bits64(Address).Bit(3);

    /// <summary>Bit 15 of the data: level-triggered.</summary>
    public bool IsLevel => new Bits64(Data).Bit(15);

    /// <summary>Bit 2 of the address, DM: the destination is a logical one.</summary>
    public bool IsLogical => new Bits64(Address).Bit(2);

    /// <summary>Bits 7:0 of the data: the vector.</summary>
    public byte Vector => (byte)Data;

    /// <summary>Bits 10:8 of the data: the delivery mode; 0 is fixed.</summary>
    public int DeliveryMode => (int)new Bits64(Data).Bits(10, 8);

    /// <summary>Whether it is a fixed interrupt for one physical xAPIC id.</summary>
    public bool IsFixedPhysical => DeliveryMode == 0 && !IsLogical && Address >> 32 == 0;

    /// <summary>A fixed, edge-triggered, physical-mode message.</summary>
    public static MessageInterrupt To(byte destination, byte vector) =>
        new(InterruptRange.First | ((ulong)destination << 12), vector);
}
