using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A PCI function with the registers of an EHCI controller, class code 0C0320h (EHCI 1.0): all that a driver sees of one.</summary>
/// <remarks>Its registers lie behind BAR 0, a whole page; it interrupts by MSI or INTA, and can be reset alone.</remarks>
public abstract class EhciFunction : PciFunction
{
    private const int ReleaseNumber = 0x60;
    private const int FrameLengthAdjustment = 0x61;
    private const int PortWakeCapability = 0x62;
    private const int LegacySupportAt = EhciRegisters.LegacyCapability;
    private const int LegacyControlAt = EhciRegisters.LegacyCapability + 4;

    private readonly EhciEngine _engine;
    private readonly EhciRegisterSet _set;
    private ulong _command;
    private ulong _bar;

    private protected EhciFunction(EhciEngine engine, EhciOptions options, PciIdentity identity, IDmaPort? dma = null)
        : base(identity)
    {
        _engine = engine;
        _set = engine.AddSet(dma ?? Dma, new Interrupt(this), options);
        AddRegister(new(ReleaseNumber, 1, "SBRN", new(0x20)));
        AddRegister(new(FrameLengthAdjustment, 1, "FLADJ", new(0x20, Writable: 0x3F)));
        AddRegister(new(PortWakeCapability, 2, "PORTWAKECAP", new(0, Writable: (1ul << (options.PortCount + 1)) - 1)));
        LegacySupport legacy = new() { CapabilityId = 1, FirmwareOwned = options.FirmwareOwned };
        LegacySupport legacyWritable = new() { FirmwareOwned = true, SystemOwned = true };
        AddRegister(new(LegacySupportAt, 4, "USBLEGSUP", new(legacy.Raw.Value, legacyWritable.Raw.Value)));
        LegacyControl enables = new() { StatusEnables = 0x3F, OwnershipEnable = true, CommandEnable = true, BarEnable = true };
        LegacyControl events = new() { OwnershipChanged = true, CommandWritten = true, BarWritten = true };
        AddRegister(new(LegacyControlAt, 4, "USBLEGCTLSTS", new(0, enables.Raw.Value, events.Raw.Value)));
        AddMemoryBar(0, EhciRegisters.WindowLength);
        AddInterruptPin(1);
        _ = AddCapability(new MsiCapability());
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        _set.Reset();
    }

    /// <summary>The bus at its root ports: devices are plugged in there.</summary>
    public UsbBus Usb => _engine.Usb;

    /// <summary>What it did since power-on.</summary>
    public EhciStatistics Statistics => _set.Statistics;

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

    private protected EhciEngine Engine => _engine;

    private protected EhciRegisterSet Set => _set;

    private LegacyControl Legacy
    {
        get => new(new((uint)Configuration[LegacyControlAt]));
        set => SetRegister(LegacyControlAt, value.Raw.Value);
    }

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) => _set.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _set.Write((int)offset, width, value);

    /// <inheritdoc/>
    protected override void OnReset()
    {
        (_command, _bar) = (Configuration[PciOffset.Command], Configuration[PciOffset.Bar0]);
        _set.Reset();
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

    private sealed class Interrupt(EhciFunction controller) : IEhciInterrupt
    {
        public void SetLevel(bool isAsserted) => controller.SetInterruptLevel(isAsserted);

        public void SetCauses(uint statusBits) => controller.Legacy = controller.Legacy with { Causes = (int)statusBits };

        public void Send() => controller.RaiseInterrupt();
    }
}
