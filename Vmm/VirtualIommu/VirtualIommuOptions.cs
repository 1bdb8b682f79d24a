namespace Dma.Vmm;

/// <summary>What decides how a virtual remapping unit is built.</summary>
public sealed record VirtualIommuOptions
{
    /// <summary>Which stage the guest has, and who walks its tables for assigned devices.</summary>
    public VirtualIommuMode Mode { get; init; }

    /// <summary>What assigned devices reach while translation is off.</summary>
    public BeforeTranslation BeforeTranslation { get; init; }

    /// <summary>For a shadow, how many tables of the guest are read at most for one change; what lies behind counts as not mapped.</summary>
    public int TablesMax { get; init; } = 16_384;
}
