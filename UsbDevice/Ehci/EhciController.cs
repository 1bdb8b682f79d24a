using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>An EHCI controller, USB 2.0, as a PCI Express function with the class code 0C0320h (EHCI 1.0).</summary>
/// <remarks>Its registers lie behind BAR 0, a whole page; it interrupts by MSI or INTA, and can be reset alone.</remarks>
public sealed class EhciController : PciFunction
{
    private const int ReleaseNumber = 0x60;
    private const int FrameLengthAdjustment = 0x61;
    private const int PortWakeCapability = 0x62;
    private const int LegacySupportAt = EhciRegisters.LegacyCapability;
    private const int LegacyControlAt = EhciRegisters.LegacyCapability + 4;

    // USBLEGCTLSTS: enables in bits 5:0 and 15:13; status of ownership, command and BAR in bits 31:29.
    private const uint LegacyEnables = 0xE03F;
    private const uint LegacyStatus = 0xE000_0000;

    private readonly EhciEngine _engine;

    /// <summary>A controller; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    /// <param name="identity">Who it says it is; its class code should stay 0C0320h.</param>
    public EhciController(EventLoop loop, EhciOptions? options = null, PciIdentity? identity = null)
        : base(identity ?? new PciIdentity(0x8086, 0x293A, 0x0C0320))
    {
        EhciOptions chosen = options ?? new();
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chosen.PortCount - 1, 14u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.FetchNs, 50u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)chosen.CompanionCount, 15u, nameof(options));
        _engine = new(loop, Dma, new Interrupt(this), chosen);
        AddRegister(new(ReleaseNumber, 1, "SBRN", new(0x20)));
        AddRegister(new(FrameLengthAdjustment, 1, "FLADJ", new(0x20, Writable: 0x3F)));
        AddRegister(new(PortWakeCapability, 2, "PORTWAKECAP", new(0, Writable: (1ul << (chosen.PortCount + 1)) - 1)));
        LegacySupport legacy = new() { CapabilityId = 1, FirmwareOwned = chosen.FirmwareOwned };
        LegacySupport legacyWritable = new() { FirmwareOwned = true, SystemOwned = true };
        AddRegister(new(LegacySupportAt, 4, "USBLEGSUP", new(legacy.Raw.Value, legacyWritable.Raw.Value)));
        AddRegister(new(LegacyControlAt, 4, "USBLEGCTLSTS", new(0, LegacyEnables, LegacyStatus)));
        AddMemoryBar(0, EhciRegisters.WindowLength);
        AddInterruptPin(1);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        _engine.Reset();
    }

    /// <summary>The bus at its root ports: devices are plugged in there.</summary>
    public UsbBus Usb => _engine.Usb;

    /// <summary>What it did since power-on.</summary>
    public EhciStatistics Statistics => _engine.Statistics;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _engine.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _engine.Write((int)offset, width, value);

    /// <summary>Lets too much current flow through a root port, or ends that.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver) => _engine.SetOverCurrent(port, isOver);

    /// <inheritdoc/>
    protected override void OnReset() => _engine.Reset();

    /// <inheritdoc/>
    protected override void ConfigurationWritten(in RegisterWrite write)
    {
        if (write.Offset != LegacySupportAt)
            return;

        // Firmware lets go as soon as the system asks, and software is told that the owner changed.
        LegacySupport now = new(new((uint)write.After));
        if (now is { SystemOwned: true, FirmwareOwned: true })
            SetRegister(LegacySupportAt, (now with { FirmwareOwned = false }).Raw.Value);
        const ulong OwnershipChange = 1u << 29;
        if (write.Before != write.After)
            SetRegister(LegacyControlAt, Configuration[LegacyControlAt] | OwnershipChange);
    }

    private sealed class Interrupt(EhciController controller) : IEhciInterrupt
    {
        public void SetLevel(bool isAsserted) => controller.SetInterruptLevel(isAsserted);

        public void Send() => controller.RaiseInterrupt();
    }
}
