namespace Dma.Machine;

/// <summary>An address as a device puts it on the bus, in bytes, before any translation.</summary>
/// <param name="Value">The address, 0 to 2^64 - 1; translation decides what is behind it.</param>
public readonly record struct Iova(ulong Value) : IComparable<Iova>
{
    /// <summary>The number of the 4 KiB page that holds this address.</summary>
    public ulong Page => Value >> 12;

    /// <summary>The byte within the 4 KiB page, 0 to 4095.</summary>
    public int PageOffset => (int)(Value & 0xFFF);

    /// <summary>The address <paramref name="bytes"/> further; past 2^64 is our own bug.</summary>
    public static Iova operator +(Iova address, ulong bytes) => new(checked(address.Value + bytes));

    /// <summary>The distance in bytes between two addresses, the higher one first.</summary>
    public static ulong operator -(Iova left, Iova right) => checked(left.Value - right.Value);

    /// <summary>Whether the left address is below the right one.</summary>
    public static bool operator <(Iova left, Iova right) => left.Value < right.Value;

    /// <summary>Whether the left address is above the right one.</summary>
    public static bool operator >(Iova left, Iova right) => left.Value > right.Value;

    /// <summary>Whether the left address is not above the right one.</summary>
    public static bool operator <=(Iova left, Iova right) => left.Value <= right.Value;

    /// <summary>Whether the left address is not below the right one.</summary>
    public static bool operator >=(Iova left, Iova right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Iova other) => Value.CompareTo(other.Value);

    /// <summary>Hexadecimal with the suffix of its kind.</summary>
    public override string ToString() => $"{Value:X}h (I/O)";
}
