using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What one request wants with a page.</summary>
/// <param name="Write">Whether it writes; an atomic operation does.</param>
/// <param name="Wanted">The rights of which it needs one, as in <see cref="Translation"/>.</param>
/// <param name="Attributes">What else it carries.</param>
internal readonly record struct Access(bool Write, ulong Wanted, DmaAttributes Attributes)
{
    /// <summary>Its address type.</summary>
    public AddressType Type => Attributes.AddressType;

    /// <summary>A read or write of at least one byte, or an atomic operation.</summary>
    public static Access Of(bool write, DmaAttributes attributes) =>
        write || attributes.Atomic ? new(true, Translation.Write, attributes) : new(false, Translation.Read, attributes);

    /// <summary>An untranslated read or write, by the right that it needs.</summary>
    public static Access Wanting(ulong right) => new(right == Translation.Write, right, default);

    /// <summary>A read of no bytes: where CAP.ZLR is set any right will do.</summary>
    public static Access ReadingNothing(HardwareProfile profile, DmaAttributes attributes) =>
        new(false, profile.Capabilities.ZeroLengthRead ? Translation.Read | Translation.Write : Translation.Read, attributes);

    /// <summary>Whether a translation grants all that it needs: an atomic operation reads what it writes.</summary>
    public bool IsGrantedBy(Translation translation) =>
        translation.Grants(Wanted) && (!Attributes.Atomic || translation.Grants(Translation.Read));
}
