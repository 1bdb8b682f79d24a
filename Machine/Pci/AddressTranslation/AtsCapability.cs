namespace Dma.Machine;

/// <summary>Address translation services: a device may ask for translations, keep them and use them (PCI Express, ATS, extended capability).</summary>
/// <remarks>
/// What the bits ask for, the device does: nothing between it and memory looks at them. A device that ignores them is
/// stopped by the port above (<see cref="AccessControlCapability"/>) or by what translates, if at all.
/// </remarks>
/// <param name="queueDepth">How many invalidations the device takes at a time, 1 to 32.</param>
/// <param name="pageAligned">Whether it asks for translations of whole 4 KiB pages only.</param>
/// <param name="globalInvalidate">Whether one invalidation can reach all PASIDs.</param>
public sealed class AtsCapability(int queueDepth = 32, bool pageAligned = true, bool globalInvalidate = true)
    : PciExtendedCapability(PciExtendedCapabilityId.AddressTranslation, version: 1, length: 8)
{
    /// <summary>The most invalidations that a device can take at a time.</summary>
    public const int QueueDepthMax = 32;

    private const int Capability = 0x04;
    private const int Control = 0x06;
    private const ulong PageAlignedRequest = 1 << 5;
    private const ulong GlobalInvalidateSupported = 1 << 6;
    private const ulong SmallestTranslationUnitMask = 0x1F;
    private const int Enable = 15;

    private readonly int _queueDepth = queueDepth is >= 1 and <= QueueDepthMax
        ? queueDepth
        : throw new ArgumentOutOfRangeException(nameof(queueDepth), "1 to 32 invalidations.");

    /// <summary>What the device does after software has turned it on or off (false), and when all of the function is reset (true).</summary>
    public Action<bool>? Changed { get; set; }

    /// <summary>Whether the device may ask for translations and use them.</summary>
    public bool IsEnabled => new Bits64(this[Control]).Bit(Enable);

    /// <summary>STU: no translation that the device is given spans less than 2^(12 + STU) bytes.</summary>
    public int SmallestTranslationUnit => (int)(this[Control] & SmallestTranslationUnitMask);

    /// <summary>How many invalidations the device takes at a time.</summary>
    public int QueueDepth => _queueDepth;

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers =>
    [
        // 32 is written as 0.
        new(Capability, 2, "ATSCAP", new(
            ((ulong)_queueDepth % QueueDepthMax) | (pageAligned ? PageAlignedRequest : 0) | (globalInvalidate ? GlobalInvalidateSupported : 0))),
        new(Control, 2, "ATSCTL", new(0, Writable: SmallestTranslationUnitMask | (1ul << Enable))),
    ];

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        if (write.Offset == Control && (write.Rose(Enable) || write.Fell(Enable)))
            Changed?.Invoke(false);
    }

    /// <inheritdoc/>
    protected internal override void OnReset() => Changed?.Invoke(true);
}
