namespace Dma.Iommu;

/// <summary>How entries of a stage say that they are present and what they grant.</summary>
/// <remarks>A type parameter, so that one loop serves both stages at the speed of either.</remarks>
internal interface IPagingFormat
{
    static abstract AuditStructure Structure { get; }

    static abstract bool IsPresent(ulong entry);

    /// <summary><see cref="MappingRights"/> of one entry.</summary>
    static abstract byte Rights(ulong entry);
}

/// <summary>First-stage entries: P is bit 0, R/W bit 1, U/S bit 2, XD bit 63.</summary>
internal readonly struct FirstStageFormat : IPagingFormat
{
    public static AuditStructure Structure => AuditStructure.FirstStage;

    public static bool IsPresent(ulong entry) => (entry & 1) != 0;

    public static byte Rights(ulong entry) => (byte)((entry & 3) | ((~entry >> 63) << 2) | ((entry & 4) << 1));
}

/// <summary>Second-stage entries: R is bit 0, W bit 1.</summary>
internal readonly struct SecondStageFormat : IPagingFormat
{
    public static AuditStructure Structure => AuditStructure.SecondStage;

    public static bool IsPresent(ulong entry) => (entry & 3) != 0;

    public static byte Rights(ulong entry) => (byte)(entry & 3);
}
