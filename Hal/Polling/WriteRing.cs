namespace Dma.Hal;

/// <summary>The ring through which a HAL hands register writes to a VMM that polls: its place behind BAR 0, and its layout.</summary>
/// <remarks>
/// <code>
/// C00h signature   C04h entries   C08h head   C0Ch tail   C10h port
/// C20h first entry: offset 15:0, width 23:16 in the first doubleword; value in the second quadword
/// </code>
/// Head counts the writes that the HAL has put in, tail those that the VMM has taken out; both wrap at 32 bits. An access to the
/// port, any of its bytes, is an exit, and empties the ring before it ends. The last KiB of the first page is a hole in the register
/// maps of EHCI and xHCI: without a ring it reads as zeros.
/// </remarks>
public static class WriteRing
{
    /// <summary>Where it begins.</summary>
    public const int Start = 0xC00;

    /// <summary>Bytes in it.</summary>
    public const int Length = 0x400;

    /// <summary>The longest window whose offsets an entry can name, in bytes.</summary>
    public const int WindowMax = 0x1_0000;

    /// <summary>What stands at <see cref="SignatureAt"/>: "RING".</summary>
    public const uint Signature = 0x474E_4952;

    /// <summary>Where the signature is.</summary>
    public const int SignatureAt = Start;

    /// <summary>Where the number of entries is.</summary>
    public const int CapacityAt = Start + 0x04;

    /// <summary>Where the HAL counts what it put in.</summary>
    public const int HeadAt = Start + 0x08;

    /// <summary>Where the VMM counts what it took out.</summary>
    public const int TailAt = Start + 0x0C;

    /// <summary>Where the number of the I/O port is.</summary>
    public const int PortAt = Start + 0x10;

    /// <summary>Bytes of an entry.</summary>
    public const int EntryBytes = 16;

    /// <summary>How many entries there are.</summary>
    public const int Capacity = (Length - 0x20) / EntryBytes;

    /// <summary>Where an entry begins.</summary>
    /// <param name="number">Head or tail.</param>
    public static int EntryAt(uint number) => Start + 0x20 + (int)(number % Capacity * EntryBytes);
}
