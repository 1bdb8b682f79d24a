namespace Dma.Machine;

/// <summary>A bridge: a port of the root complex or of a switch, or a way to a conventional bus (PCI Express base, 7.5.1.3).</summary>
/// <remarks>It forwards configuration requests by its bus numbers, accesses by its windows, and requests from below while it is bus master.</remarks>
public sealed class PciBridge : PciFunction
{
    /// <summary>Bits 3:0 of the prefetchable base and limit: the window has upper halves.</summary>
    internal const ulong Window64Bit = 1;

    /// <summary>Bridge control: parity error response, SERR# enable, secondary bus reset.</summary>
    internal const ulong ControlWritable = (1 << 0) | (1 << 1) | (1 << SecondaryBusReset);

    private const int SecondaryBusReset = 6;
    private const uint BridgeClass = 0x06_04_00;
    private const ulong WindowGranule = 1 << 20;

    /// <summary>A bridge with nothing below it.</summary>
    /// <param name="vendorId">Its maker.</param>
    /// <param name="deviceId">The maker's number for it.</param>
    /// <param name="type">What it is in the hierarchy; null for a bridge between conventional buses.</param>
    /// <param name="accessControls">What it can check of requests from below; of a root port or a downstream port only.</param>
    public PciBridge(
        ushort vendorId, ushort deviceId, PciExpressType? type = PciExpressType.RootPort, AccessControls accessControls = AccessControls.None)
        : base(PciHeader.Bridge(new(vendorId, deviceId, BridgeClass)))
    {
        Type = type;
        Secondary = new(this);
        if (type is { } express)
            _ = AddCapability(new PciExpressCapability(express, functionLevelReset: false));
        if (accessControls == AccessControls.None)
            return;
        if (type is not (PciExpressType.RootPort or PciExpressType.SwitchDownstreamPort))
            throw new ArgumentException("Access control services belong to root ports and downstream ports.", nameof(accessControls));
        AccessControl = AddCapability(new AccessControlCapability(accessControls));
    }

    /// <summary>What it is in the hierarchy; null for a bridge between conventional buses.</summary>
    public PciExpressType? Type { get; }

    /// <summary>Its access control services, or null.</summary>
    public AccessControlCapability? AccessControl { get; }

    /// <summary>The bus right below it.</summary>
    public PciBus Secondary { get; }

    /// <summary>The number of the bus right below it.</summary>
    public byte SecondaryBus => (byte)Configuration[PciOffset.SecondaryBus];

    /// <summary>The highest bus number below it.</summary>
    public byte SubordinateBus => (byte)Configuration[PciOffset.SubordinateBus];

    /// <summary>Whether software holds everything below it in reset.</summary>
    internal bool HoldsSecondaryInReset => new Bits64(Configuration[PciOffset.BridgeControl]).Bit(SecondaryBusReset);

    /// <summary>A bridge has no registers behind BARs.</summary>
    public override ulong ReadBar(int bar, ulong offset, int width) => RegisterFile.AllOnes(width);

    /// <summary>A bridge has no registers behind BARs.</summary>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
    }

    /// <summary>What lies below is reset with the bridge.</summary>
    protected override void OnReset() => Secondary.Reset();

    /// <summary>What a request from below meets here: success where it is passed on.</summary>
    /// <param name="requester">Who it says that it is from.</param>
    /// <param name="isUntranslated">Whether its AT field is zero.</param>
    internal DmaStatus Admit(SourceId requester, bool isUntranslated)
    {
        if ((Command & PciCommand.BusMaster) == 0)
            return DmaStatus.Unclaimed;
        AccessControls checks = AccessControl?.Enabled ?? AccessControls.None;
        bool violates =
            ((checks & AccessControls.SourceValidation) != 0 && (requester.Bus < SecondaryBus || requester.Bus > SubordinateBus))
            || ((checks & AccessControls.TranslationBlocking) != 0 && !isUntranslated);
        return violates ? DmaStatus.AccessViolation : DmaStatus.Success;
    }

    internal override void Refresh()
    {
        base.Refresh();
        Secondary.Refresh(Forwarded());
    }

    private protected override void HeaderWritten(in RegisterWrite write)
    {
        if (write.Offset == PciOffset.BridgeControl && write.Rose(SecondaryBusReset))
            Secondary.Reset();
        Refresh();
    }

    // The two windows, as far as accesses reach the bridge itself.
    private List<AddressRange> Forwarded()
    {
        if (Bus is null || (Command & PciCommand.MemorySpace) == 0)
            return [];
        AddressRange memory = Window(
            Configuration[PciOffset.MemoryBase], Configuration[PciOffset.MemoryLimit], 0, 0);
        AddressRange prefetchable = Window(
            Configuration[PciOffset.PrefetchableBase], Configuration[PciOffset.PrefetchableLimit],
            Configuration[PciOffset.PrefetchableBaseUpper], Configuration[PciOffset.PrefetchableLimitUpper]);
        List<AddressRange> forwarded = [];
        foreach (AddressRange above in Bus.Reachable)
        {
            foreach (AddressRange window in (ReadOnlySpan<AddressRange>)[memory, prefetchable])
            {
                if (above.Intersect(window) is { IsEmpty: false } range)
                    forwarded.Add(range);
            }
        }

        return forwarded;
    }

    private static AddressRange Window(ulong first, ulong last, ulong firstUpper, ulong lastUpper) => new(
        (firstUpper << 32) | ((first & 0xFFF0) << 16),
        (lastUpper << 32) | ((last & 0xFFF0) << 16) | (WindowGranule - 1));
}
