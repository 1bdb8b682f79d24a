using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What one request wants with a page.</summary>
/// <param name="Write">Whether it is a write.</param>
/// <param name="Wanted">The rights of which it needs one, as in <see cref="Translation"/>.</param>
/// <param name="Type">Its address type.</param>
internal readonly record struct Access(bool Write, ulong Wanted, AddressType Type)
{
    /// <summary>A read of at least one byte.</summary>
    public static Access Reading(AddressType type = default) => new(false, Translation.Read, type);

    /// <summary>A write.</summary>
    public static Access Writing(AddressType type = default) => new(true, Translation.Write, type);

    /// <summary>An untranslated read or write, by the right that it needs.</summary>
    public static Access Wanting(ulong right) => new(right == Translation.Write, right, default);

    /// <summary>A read of no bytes: where CAP.ZLR is set any right will do.</summary>
    public static Access ReadingNothing(HardwareProfile profile, AddressType type = default) =>
        new(false, profile.Capabilities.ZeroLengthRead ? Translation.Read | Translation.Write : Translation.Read, type);
}
