namespace Dma.Machine;

/// <summary>A physical address as the software that uses it believes it to be, in bytes.</summary>
/// <param name="Value">The address, 0 to 2^64 - 1; second-level paging decides what is behind it, on bare metal it is the host address itself.</param>
public readonly record struct GuestPhysicalAddress(ulong Value) : IComparable<GuestPhysicalAddress>
{
    /// <summary>The number of the 4 KiB page that holds this address.</summary>
    public ulong Page => Value >> 12;

    /// <summary>The byte within the 4 KiB page, 0 to 4095.</summary>
    public int PageOffset => (int)(Value & 0xFFF);

    /// <summary>The address <paramref name="bytes"/> further; past 2^64 is our own bug.</summary>
    public static GuestPhysicalAddress operator +(GuestPhysicalAddress address, ulong bytes) => new(checked(address.Value + bytes));

    /// <summary>The distance in bytes between two addresses, the higher one first.</summary>
    public static ulong operator -(GuestPhysicalAddress left, GuestPhysicalAddress right) => checked(left.Value - right.Value);

    /// <summary>Whether the left address is below the right one.</summary>
    public static bool operator <(GuestPhysicalAddress left, GuestPhysicalAddress right) => left.Value < right.Value;

    /// <summary>Whether the left address is above the right one.</summary>
    public static bool operator >(GuestPhysicalAddress left, GuestPhysicalAddress right) => left.Value > right.Value;

    /// <summary>Whether the left address is not above the right one.</summary>
    public static bool operator <=(GuestPhysicalAddress left, GuestPhysicalAddress right) => left.Value <= right.Value;

    /// <summary>Whether the left address is not below the right one.</summary>
    public static bool operator >=(GuestPhysicalAddress left, GuestPhysicalAddress right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(GuestPhysicalAddress other) => Value.CompareTo(other.Value);

    /// <summary>Hexadecimal with the suffix of its kind.</summary>
    public override string ToString() => $"{Value:X}h (guest)";
}
