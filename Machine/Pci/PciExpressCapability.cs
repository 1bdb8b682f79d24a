namespace Dma.Machine;

/// <summary>The PCI Express capability, version 2 (PCI Express base, 7.5.3): what a function can do, errors it saw, and its own reset.</summary>
/// <param name="type">What the function is in the hierarchy.</param>
/// <param name="functionLevelReset">Whether software can reset the function alone.</param>
public sealed class PciExpressCapability(PciExpressType type, bool functionLevelReset = true)
    : PciCapability(PciCapabilityId.PciExpress, length: 0x3C)
{
    private const int Capabilities = 0x02;
    private const int DeviceCapabilities = 0x04;
    private const int DeviceControl = 0x08;
    private const int DeviceStatus = 0x0A;
    private const int LinkCapabilities = 0x0C;
    private const int LinkControl = 0x10;
    private const int LinkStatus = 0x12;
    private const int RootControl = 0x1C;
    private const int DeviceCapabilities2 = 0x24;
    private const int DeviceControl2 = 0x28;
    private const int LinkCapabilities2 = 0x2C;
    private const int LinkControl2 = 0x30;
    private const int LinkStatus2 = 0x32;

    private const ulong MaxPayload256 = 1;
    private const ulong RoleBasedErrorReporting = 1 << 15;
    private const ulong FunctionLevelResetCapable = 1 << 28;
    private const int InitiateFunctionLevelReset = 15;
    private const ulong MaxPayloadField = 7 << 5;

    // Relaxed ordering and no-snoop allowed, reads of up to 512 bytes.
    private const ulong DeviceControlReset = (1 << 4) | (1 << 11) | (2 << 12);
    private const ulong DeviceControlWritable = 0x7FFF & ~(ulong)((1 << 9) | (1 << 10));

    private const ulong Correctable = 1 << 0;
    private const ulong NonFatal = 1 << 1;
    private const ulong UnsupportedRequest = 1 << 3;
    private const ulong DeviceStatusErrors = 0xF;

    // Generation 3, one lane, data link layer active where a link exists at all.
    private const ulong Speed = 3;
    private const ulong OneLane = 1 << 4;
    private const ulong SpeedsVector = 0b111 << 1;
    private const ulong LinkControlWritable = (1 << 6) | (1 << 7) | 3;

    /// <summary>What the function is in the hierarchy.</summary>
    public PciExpressType Type => type;

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers =>
    [
        new(Capabilities, 2, "XCAP", new(2 | ((ulong)type << 4))),
        new(DeviceCapabilities, 4, "DCAP", new(MaxPayload256 | RoleBasedErrorReporting | (functionLevelReset ? FunctionLevelResetCapable : 0))),
        new(DeviceControl, 2, "DCTL", new(DeviceControlReset, DeviceControlWritable, Kept: MaxPayloadField)),
        new(DeviceStatus, 2, "DSTS", new(0, ClearOnOne: DeviceStatusErrors)),
        .. HasLink ? LinkRegisters : [],
        .. type == PciExpressType.RootPort ? [new Register(RootControl, 2, "RCTL", new(0, Writable: 0x1F))] : Array.Empty<Register>(),
        new(DeviceCapabilities2, 4, "DCAP2", new(1 << 4)),
        new(DeviceControl2, 2, "DCTL2", new(0, Writable: 1 << 4)),
    ];

    private bool HasLink => type != PciExpressType.RootComplexEndpoint;

    private static IEnumerable<Register> LinkRegisters =>
    [
        new(LinkCapabilities, 4, "LCAP", new(Speed | OneLane)),
        new(LinkControl, 2, "LCTL", new(0, LinkControlWritable, Kept: LinkControlWritable)),
        new(LinkStatus, 2, "LSTS", new(Speed | OneLane)),
        new(LinkCapabilities2, 4, "LCAP2", new(SpeedsVector)),
        new(LinkControl2, 2, "LCTL2", new(Speed, Writable: 0xF, Kept: 0xF)),
        new(LinkStatus2, 2, "LSTS2", new(0)),
    ];

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        if (write.Offset == DeviceControl && functionLevelReset && write.WroteOne(InitiateFunctionLevelReset))
            Function.ResetFunction();
    }

    /// <summary>Notes that a request arrived here which nobody above could take.</summary>
    /// <param name="posted">Whether it was a write, which has no completion to carry the bad news (6.2.3.2.4).</param>
    internal void RecordUnsupportedRequest(bool posted) => this[DeviceStatus] |= UnsupportedRequest | (posted ? NonFatal : Correctable);

    /// <summary>Notes that access control services refused a request (6.12.4): an error of its own, which no status bit here names.</summary>
    /// <param name="posted">Whether it was a write.</param>
    internal void RecordAccessViolation(bool posted) => this[DeviceStatus] |= posted ? NonFatal : Correctable;
}
