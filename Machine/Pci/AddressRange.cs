namespace Dma.Machine;

/// <summary>Bus addresses from the first to the last, both included, so that a range can end with the address space.</summary>
internal readonly record struct AddressRange(ulong First, ulong Last)
{
    /// <summary>All addresses.</summary>
    public static AddressRange All => new(0, ulong.MaxValue);

    /// <summary>Whether there is nothing in it.</summary>
    public bool IsEmpty => First > Last;

    /// <summary>What lies in both.</summary>
    public AddressRange Intersect(AddressRange other) => new(Math.Max(First, other.First), Math.Min(Last, other.Last));
}
