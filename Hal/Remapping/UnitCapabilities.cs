using Dma.Iommu.Spec;

namespace Dma.Hal;

/// <summary>What a unit says that it can do, read once and checked before anything relies on it.</summary>
internal sealed class UnitCapabilities
{
    private const int LastVersionWithRegisterInvalidation = 5;

    private UnitCapabilities(VersionRegister version, CapabilityRegister capability, ExtendedCapabilityRegister extended)
    {
        Version = version;
        Capability = capability;
        Extended = extended;
        WidestTables = Supports(AddressWidth.Bits57) ? AddressWidth.Bits57
            : Supports(AddressWidth.Bits48) ? AddressWidth.Bits48
            : AddressWidth.Bits39;
        FittingTables = WidestTables;
        for (AddressWidth width = AddressWidth.Bits57; width >= AddressWidth.Bits39; width--)
        {
            if (Supports(width) && BitsOf(width) >= AddressBits)
                FittingTables = width;
        }
    }

    public VersionRegister Version { get; }

    public CapabilityRegister Capability { get; }

    public ExtendedCapabilityRegister Extended { get; }

    /// <summary>The widest tables of the unit; what a pass-through entry must name.</summary>
    public AddressWidth WidestTables { get; }

    /// <summary>The fewest levels that cover all addresses that the unit lets through.</summary>
    public AddressWidth FittingTables { get; }

    /// <summary>MGAW: how many bits of a device address the unit looks at.</summary>
    public int AddressBits => Capability.MaximumWidthCode + 1;

    /// <summary>How many domain-ids there are.</summary>
    public int DomainCount => 1 << (4 + (2 * Capability.DomainsCode));

    /// <summary>How many fault records there are.</summary>
    public int FaultRecords => Capability.FaultRecordsCode + 1;

    /// <summary>Whether there is no way to invalidate but the queue.</summary>
    public bool MustUseQueue => Version.Major > LastVersionWithRegisterInvalidation;

    /// <summary>Whether domains can be had in scalable mode: by one stage or the other.</summary>
    public bool CanScale => Extended.QueuedInvalidation && (Has(TranslationStage.Second, scalable: true) || Has(TranslationStage.First, scalable: true));

    /// <summary>Whether legacy mode has tables to translate by.</summary>
    public bool HasLegacyTables => Supports(AddressWidth.Bits39) || Supports(AddressWidth.Bits48) || Supports(AddressWidth.Bits57);

    /// <summary>Whether a mode has domains of a stage.</summary>
    public bool Has(TranslationStage stage, bool scalable) => stage == TranslationStage.Second
        ? HasLegacyTables && (!scalable || Extended is { ScalableMode: true, SecondStage: true })
        : scalable && Extended is { ScalableMode: true, FirstStage: true };

    /// <summary>Whether the second stage of the unit walks tables of this width.</summary>
    public bool Supports(AddressWidth width) => (Capability.SupportedWidths >> (int)width & 1) != 0;

    /// <summary>Whether a stage of the unit walks tables of this width.</summary>
    public bool Supports(AddressWidth width, TranslationStage stage) => stage == TranslationStage.Second
        ? Supports(width)
        : width == AddressWidth.Bits48 || (width == AddressWidth.Bits57 && Capability.FirstStage5Level);

    /// <summary>Bits of an address that tables of a width translate.</summary>
    public static int BitsOf(AddressWidth width) => 30 + (9 * (int)width);

    /// <summary>Levels of tables of a width.</summary>
    public static int LevelsOf(AddressWidth width) => 2 + (int)width;

    /// <summary>Reads and checks the capability registers.</summary>
    /// <exception cref="DeviceException">There is no unit, or one that this driver cannot use.</exception>
    public static UnitCapabilities Read(RegisterWindow registers)
    {
        uint version = registers.Read32(RegisterOffsets.Version);
        UnitCapabilities unit = new(
            new(new(version)),
            new(new(registers.Read64(RegisterOffsets.Capability))),
            new(new(registers.Read64(RegisterOffsets.ExtendedCapability))));
        if (unit.Refusal(version, registers.Length) is { } reason)
            throw new DeviceException($"The remapping unit at {registers.Address} cannot be used: {reason}.");
        return unit;
    }

    private string? Refusal(uint version, ulong window) => this switch
    {
        _ when version is 0 or uint.MaxValue => "nothing answers there",
        _ when !HasLegacyTables && !Has(TranslationStage.First, scalable: true) =>
            $"it walks no tables of 3, 4 or 5 levels (SAGAW is {Capability.SupportedWidths:X}h)",
        _ when Capability.DomainsCode == 7 => "its number of domains is a reserved value",
        _ when AddressBits < 12 => $"it lets only {AddressBits} bits of an address through",
        _ when !Extended.QueuedInvalidation && MustUseQueue =>
            $"it is of version {Version.Major}, which has no register-based invalidation, and it has no queue",
        _ when (ulong)RegisterOffsets.FaultRecord(Capability, FaultRecords) > window => "its fault records lie beyond its register window",
        _ when (ulong)RegisterOffsets.IotlbInvalidate(Extended) + 8 > window => "its IOTLB registers lie beyond its register window",
        _ => null,
    };
}
