using Dma.Machine;

namespace Dma.UsbDevice;

/// <summary>An xHCI controller, USB 2.0 and 3.0, as a PCI Express function with the class code 0C0330h (xHCI 1.1).</summary>
/// <remarks>
/// Its registers lie behind BAR 0, 16 KiB with the MSI-X table in a page of its own; it interrupts by MSI-X, MSI or INTA, and can be
/// reset alone.
/// </remarks>
public class XhciController : PciFunction
{
    private const int ReleaseNumber = 0x60;
    private const int FrameLengthAdjustment = 0x61;
    private const int MessagesMax = 16;

    private readonly XhciEngine _engine;
    private readonly bool _hasGates;
    private readonly MsiCapability _msi;
    private readonly MsixCapability? _msix;

    /// <summary>A controller; plug it into a bus.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    /// <param name="identity">Who it says it is; its class code should stay 0C0330h.</param>
    public XhciController(EventLoop loop, XhciOptions? options = null, PciIdentity? identity = null)
        : base(identity ?? new PciIdentity(0x1B36, 0x000D, 0x0C0330))
    {
        XhciOptions chosen = options ?? new();
        Check(chosen);
        _engine = new(loop, Dma, new Signals(this), chosen);
        Connectors = [.. Ports.Take(chosen.Usb2PortCount).Zip(Ports.Skip(chosen.Usb2PortCount), static (usb2, usb3) => new UsbConnector(usb2, usb3))];
        AddRegister(new(ReleaseNumber, 1, "SBRN", new(0x30)));
        AddRegister(new(FrameLengthAdjustment, 1, "FLADJ", new(0x20, Writable: 0x3F)));
        AddMemoryBar(0, XhciRegisters.WindowLength, is64Bit: true);
        _hasGates = chosen.PortGates;
        if (_hasGates)
            AddMemoryBar(XhciGateOffsets.Bar, XhciGateOffsets.WindowLength);
        AddInterruptPin(1);
        _msi = AddCapability(new MsiCapability(MessagesMax));
        if (chosen.HasMsix)
            _msix = AddCapability(new MsixCapability(chosen.InterrupterCount, 0, XhciRegisters.MsixTable, XhciRegisters.MsixPending));
        _ = AddCapability(new PciExpressCapability(PciExpressType.RootComplexEndpoint));
        _engine.Reset(keepsPorts: false);
    }

    /// <summary>The root ports, that with number 1 first: those of USB 2, then those of USB 3. Devices are plugged in there.</summary>
    public IReadOnlyList<UsbPort> Ports => _engine.Sockets;

    /// <summary>The connectors: the first port of USB 2 and the first of USB 3 share one, and so on, as far as there are both.</summary>
    public IReadOnlyList<UsbConnector> Connectors { get; }

    /// <summary>The bus that begins at each root port, in the order of <see cref="Ports"/>.</summary>
    public IReadOnlyList<UsbBus> Buses => _engine.Buses;

    /// <summary>How it is built.</summary>
    public XhciOptions Options => _engine.Options;

    /// <summary>What it did since power-on.</summary>
    public XhciStatistics Statistics => _engine.Statistics;

    /// <inheritdoc/>
    public override ulong ReadBar(int bar, ulong offset, int width) =>
        bar == XhciGateOffsets.Bar && _hasGates ? _engine.Gates.Read(offset, width) : _engine.Read((int)offset, width);

    /// <inheritdoc/>
    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        if (bar == XhciGateOffsets.Bar && _hasGates)
            _engine.Gates.Write(offset, width, (uint)value);
        else
            _engine.Write((int)offset, width, value);
    }

    /// <summary>Lets too much current flow through a root port, or ends that.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver) => _engine.SetOverCurrent(port, isOver);

    /// <summary>Breaks the link of a root port: one of USB 3 becomes inactive, one of USB 2 is disabled.</summary>
    /// <param name="port">From 1 on.</param>
    public void FailLink(int port) => _engine.FailLink(port);

    /// <summary>A device sends a notification; software hears of it where DNCTRL lets it through.</summary>
    /// <param name="slot">The slot of the device.</param>
    /// <param name="type">Which notification, 0 to 15: 1 is function wake.</param>
    /// <param name="data">What it carries, 56 bits.</param>
    public void NotifyFromDevice(int slot, int type, ulong data) => _engine.Notify(slot, type, data);

    /// <inheritdoc/>
    protected override void OnReset()
    {
        _engine.Gates.Open();
        _engine.Reset(keepsPorts: false, isPowerOn: true);
    }

    private static void Check(XhciOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.Usb2PortCount, 15u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.Usb3PortCount, 15u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Usb2PortCount + options.Usb3PortCount, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.SlotCount - 1, 254u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.InterrupterCount - 1, 15u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.SegmentTableMax, 8u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.StreamArrayMax, 15u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.FetchNs, 50u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.CommandNs, 200u, nameof(options));
    }

    private sealed class Signals(XhciController controller) : IXhciSignals
    {
        public bool UsesMessages => controller._msi.IsEnabled || controller._msix is { IsEnabled: true };

        // With fewer messages than interrupters, several share one.
        public void Send(int interrupter) =>
            controller.RaiseInterrupt(controller._msix is { IsEnabled: true } ? interrupter : interrupter % controller._msi.EnabledVectors);

        public void SetLevel(bool isAsserted) => controller.SetInterruptLevel(isAsserted);

        public void SignalSystemError()
        {
            if ((controller.Command & PciCommand.SystemErrorEnable) != 0)
                controller.SetRegister(PciOffset.Status, controller.Configuration[PciOffset.Status] | (ulong)PciStatus.SignaledSystemError);
        }
    }
}
