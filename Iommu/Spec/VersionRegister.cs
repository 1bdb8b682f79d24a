using Dma.Machine;

namespace Dma.Iommu.Spec;

/// <summary>VER: the revision of the architecture that a unit implements (VT-d, version register).</summary>
/// <param name="Raw">The register; bits 63:32 are zero.</param>
public readonly record struct VersionRegister(Bits64 Raw)
{
    /// <summary>Bits 3:0, MIN: the minor version.</summary>
    public int Minor
    {
        get => (int)Raw.Bits(3, 0);
        init => Raw = Raw.With(3, 0, (ulong)value);
    }

    /// <summary>Bits 7:4, MAX: the major version; from 6 on there is no register-based invalidation.</summary>
    public int Major
    {
        get => (int)Raw.Bits(7, 4);
        init => Raw = Raw.With(7, 4, (ulong)value);
    }
}
