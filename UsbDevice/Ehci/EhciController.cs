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

    private readonly EhciEngine _engine;
    private ulong _command;
    private ulong _bar;

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
        LegacyControl enables = new() { StatusEnables = 0x3F, OwnershipEnable = true, CommandEnable = true, BarEnable = true };
        LegacyControl events = new() { OwnershipChanged = true, CommandWritten = true, BarWritten = true };
        AddRegister(new(LegacyControlAt, 4, "USBLEGCTLSTS", new(0, enables.Raw.Value, events.Raw.Value)));
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

    /// <summary>Whether the firmware's interrupt is wanted, the SMI of the legacy capability: a cause came that it enabled.</summary>
    public bool WantsSystemManagementInterrupt
    {
        get
        {
            LegacyControl control = Legacy;
            return (control.Causes & control.StatusEnables) != 0
                || (control.OwnershipChanged && control.OwnershipEnable)
                || (control.CommandWritten && control.CommandEnable)
                || (control.BarWritten && control.BarEnable);
        }
    }

    private LegacyControl Legacy
    {
        get => new(new((uint)Configuration[LegacyControlAt]));
        set => SetRegister(LegacyControlAt, value.Raw.Value);
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _engine.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _engine.Write((int)offset, width, value);

    /// <summary>Lets too much current flow through a root port, or ends that.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver) => _engine.SetOverCurrent(port, isOver);

    /// <inheritdoc/>
    protected override void OnReset()
    {
        (_command, _bar) = (Configuration[PciOffset.Command], Configuration[PciOffset.Bar0]);
        _engine.Reset();
        Legacy = Legacy with { CommandWritten = false, BarWritten = false };
    }

    /// <inheritdoc/>
    protected override void OnRefresh()
    {
        (ulong command, ulong bar) = (Configuration[PciOffset.Command], Configuration[PciOffset.Bar0]);
        LegacyControl control = Legacy;
        Legacy = control with
        {
            CommandWritten = control.CommandWritten || command != _command,
            BarWritten = control.BarWritten || bar != _bar,
        };
        (_command, _bar) = (command, bar);
    }

    /// <inheritdoc/>
    protected override void ConfigurationWritten(in RegisterWrite write)
    {
        if (write.Offset != LegacySupportAt)
            return;

        // Firmware lets go as soon as the system asks, and software is told that the owner changed.
        LegacySupport now = new(new((uint)write.After));
        if (now is { SystemOwned: true, FirmwareOwned: true })
            SetRegister(LegacySupportAt, (now with { FirmwareOwned = false }).Raw.Value);
        if (now.SystemOwned != new LegacySupport(new((uint)write.Before)).SystemOwned)
            Legacy = Legacy with { OwnershipChanged = true };
    }

    private sealed class Interrupt(EhciController controller) : IEhciInterrupt
    {
        public void SetLevel(bool isAsserted) => controller.SetInterruptLevel(isAsserted);

        public void SetCauses(uint statusBits) => controller.Legacy = controller.Legacy with { Causes = (int)statusBits };

        public void Send() => controller.RaiseInterrupt();
    }
}
