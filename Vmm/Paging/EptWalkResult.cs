using Dma.Machine;

namespace Dma.Vmm;

/// <summary>What a walk of EPT came to.</summary>
public readonly record struct EptWalkResult
{
    private EptWalkResult(EptOutcome outcome, int level, EptEntry entry, EptRights rights, PhysicalAddress address) =>
        (Outcome, Level, Entry, Rights, Address) = (outcome, level, entry, rights, address);

    /// <summary>How it ended.</summary>
    public EptOutcome Outcome { get; }

    /// <summary>The level of the last entry read, 4 to 1; 0 where the address is too wide to be looked up.</summary>
    public int Level { get; }

    /// <summary>The last entry read.</summary>
    public EptEntry Entry { get; }

    /// <summary>What every entry on the way allows; of a violation, what was allowed instead.</summary>
    public EptRights Rights { get; }

    /// <summary>Where the byte is, when mapped.</summary>
    public PhysicalAddress Address { get; }

    /// <summary>The page that maps the byte, when mapped.</summary>
    public FrameSize Size => (FrameSize)(12 + (9 * (Level - 1)));

    internal static EptWalkResult Mapped(int level, EptEntry entry, EptRights rights, PhysicalAddress address) =>
        new(EptOutcome.Mapped, level, entry, rights, address);

    internal static EptWalkResult Violation(int level, EptEntry entry, EptRights rights) =>
        new(EptOutcome.Violation, level, entry, rights, default);

    internal static EptWalkResult Misconfiguration(int level, EptEntry entry) =>
        new(EptOutcome.Misconfiguration, level, entry, EptRights.None, default);
}
