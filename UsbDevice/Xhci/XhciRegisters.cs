using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The register window of an xHCI controller as a table, and typed access for the controller itself (xHCI, register interface).</summary>
/// <remarks>
/// <code>
///    0h capability   40h operational   440h ports   800h extended capabilities
/// 1000h runtime    2000h doorbells    3000h MSI-X table    3800h pending bits
/// </code>
/// Doorbells hold nothing and are no part of the table.
/// </remarks>
internal sealed class XhciRegisters
{
    public const int WindowLength = 0x4000;
    public const int OperationalBase = 0x40;
    public const int Extended = 0x800;
    public const int Runtime = 0x1000;
    public const int Doorbells = 0x2000;
    public const int MsixTable = 0x3000;
    public const int MsixPending = 0x3800;

    public const int Command = OperationalBase + XhciOperationalOffsets.Command;
    public const int Status = OperationalBase + XhciOperationalOffsets.Status;
    public const int CommandRing = OperationalBase + XhciOperationalOffsets.CommandRing;
    public const int ContextArray = OperationalBase + XhciOperationalOffsets.ContextArray;
    public const int Configure = OperationalBase + XhciOperationalOffsets.Configure;
    public const int FirstPort = OperationalBase + XhciOperationalOffsets.FirstPort;
    public const int MicroframeIndex = Runtime + XhciRuntimeOffsets.MicroframeIndex;
    public const int FirstInterrupter = Runtime + XhciRuntimeOffsets.FirstInterrupter;
    public const int LegacySupport = Extended;
    public const int LegacyControl = Extended + 4;

    // In units of 250 ns: 1 ms.
    private const uint DefaultModeration = 4000;
    private const int ProtocolBytes = 0x10;

    /// <summary>USBLEGCTLSTS: all bits that hold something.</summary>
    public const uint LegacyControlBits = LegacyEnables | LegacyChanges;

    // USBLEGCTLSTS: enables in bits 0, 4 and 15:13; status that written ones clear in bits 31:29.
    private const uint LegacyEnables = 0xE011;
    private const uint LegacyChanges = 0xE000_0000;

    private readonly int _portCount;

    /// <summary>The registers of a controller, at their reset values.</summary>
    public XhciRegisters(XhciOptions options, int scratchpads)
    {
        _portCount = options.Usb2PortCount + options.Usb3PortCount;
        List<Register> registers = [.. Capability(options, scratchpads), .. Operational(options), .. ExtendedCapabilities(options)];
        for (int index = 0; index < _portCount; index++)
            registers.AddRange(Port(options, index));
        registers.Add(new(MicroframeIndex, 4, "MFINDEX", new(0)));
        for (int index = 0; index < options.InterrupterCount; index++)
            registers.AddRange(Interrupter(index));
        File = new(WindowLength, registers);
    }

    /// <summary>The window as software sees it, doorbells left out.</summary>
    public RegisterFile File { get; }

    /// <summary>USBCMD.</summary>
    public XhciCommand UsbCommand
    {
        get => new(new((uint)File[Command]));
        set => File[Command] = value.Raw.Value;
    }

    /// <summary>USBSTS.</summary>
    public XhciStatus UsbStatus
    {
        get => new(new((uint)File[Status]));
        set => File[Status] = value.Raw.Value;
    }

    /// <summary>DCBAAP.</summary>
    public ulong ContextArrayAddress => File[ContextArray];

    /// <summary>CONFIG.MaxSlotsEn.</summary>
    public int SlotsEnabled => new XhciConfigure(new((uint)File[Configure])).SlotsEnabled;

    /// <summary>CONFIG.U3E: PLC tells of an entry into U3.</summary>
    public bool TellsOfU3 => new XhciConfigure(new((uint)File[Configure])).U3EntryEnable;

    /// <summary>PORTSC of a port.</summary>
    /// <param name="index">From 0 on.</param>
    public XhciPortStatusControl this[int index]
    {
        get => new(new((uint)File[PortAt(index)]));
        set => File[PortAt(index)] = value.Raw.Value;
    }

    /// <summary>How a register answers writes.</summary>
    /// <param name="offset">The offset at which it was declared.</param>
    public RegisterRule RuleAt(int offset) => File.Registers.First(register => register.Offset == offset).Rule;

    /// <summary>Where the registers of a port begin.</summary>
    /// <param name="index">From 0 on.</param>
    public static int PortAt(int index) => FirstPort + (index * XhciOperationalOffsets.PortStride);

    /// <summary>Where the registers of an interrupter begin.</summary>
    public static int InterrupterAt(int index) => FirstInterrupter + (index * XhciRuntimeOffsets.InterrupterStride);

    /// <summary>USBLEGSUP was written: firmware lets go as soon as the system asks, and is told that the owner changed.</summary>
    public void LegacyWritten(in RegisterWrite write)
    {
        XhciLegacySupport support = new(new((uint)write.After));
        if (support is { SystemOwned: true, FirmwareOwned: true })
            File[LegacySupport] = (support with { FirmwareOwned = false }).Raw.Value;
        XhciLegacyControl control = new(new((uint)File[LegacyControl]));
        if (write.Before != write.After)
            File[LegacyControl] = (control with { Ownership = true }).Raw.Value;
    }

    /// <summary>Everything back to its reset value.</summary>
    /// <param name="keepsPorts">Whether the ports stay as they are.</param>
    /// <param name="isPowerOn">Whether the owner is forgotten too, which a reset by software leaves alone.</param>
    public void Reset(bool keepsPorts, bool isPowerOn)
    {
        Span<(ulong Status, ulong Power)> kept = stackalloc (ulong, ulong)[_portCount];
        for (int index = 0; index < kept.Length; index++)
            kept[index] = (File[PortAt(index)], File[PortAt(index) + XhciOperationalOffsets.PortPower]);
        (ulong support, ulong control) = (File[LegacySupport], File[LegacyControl]);
        File.Reset();
        if (!isPowerOn)
            (File[LegacySupport], File[LegacyControl]) = (support, control);
        for (int index = 0; keepsPorts && index < kept.Length; index++)
            (File[PortAt(index)], File[PortAt(index) + XhciOperationalOffsets.PortPower]) = kept[index];
    }

    private static Register[] Capability(XhciOptions options, int scratchpads) =>
    [
        new(XhciCapabilityOffsets.Length, 1, "CAPLENGTH", new(OperationalBase)),
        new(XhciCapabilityOffsets.InterfaceVersion, 2, "HCIVERSION", new(0x0110)),
        new(XhciCapabilityOffsets.StructuralParameters1, 4, "HCSPARAMS1", new(new XhciStructuralParameters1
        {
            SlotCount = options.SlotCount,
            InterrupterCount = options.InterrupterCount,
            PortCount = options.Usb2PortCount + options.Usb3PortCount,
        }.Raw.Value)),
        new(XhciCapabilityOffsets.StructuralParameters2, 4, "HCSPARAMS2", new(new XhciStructuralParameters2
        {
            IsochronousThreshold = 1,
            SegmentTableMax = options.SegmentTableMax,
            ScratchpadRestore = true,
            ScratchpadCount = scratchpads,
        }.Raw.Value)),
        new(XhciCapabilityOffsets.StructuralParameters3, 4, "HCSPARAMS3", new(new XhciStructuralParameters3
        {
            U1ExitLatencyUs = 1,
            U2ExitLatencyUs = 50,
        }.Raw.Value)),
        new(XhciCapabilityOffsets.CapabilityParameters1, 4, "HCCPARAMS1", new(new XhciCapabilityParameters1
        {
            Addresses64Bit = options.Addresses64Bit,
            BandwidthNegotiation = options.BandwidthNegotiation,
            Contexts64Byte = options.Contexts64Byte,
            PortPowerControl = options.PortPowerControl,
            LightReset = options.LightReset,
            LatencyTolerance = options.LatencyTolerance,
            NoSecondaryStreams = !options.SecondaryStreams,
            ParseAll = options.ParseAllEventData,
            StoppedShortPacket = options.StoppedShortPacket,
            StreamArrayMax = options.StreamArrayMax,
            ExtendedCapabilities = Extended / 4,
        }.Raw.Value)),
        new(XhciCapabilityOffsets.DoorbellOffset, 4, "DBOFF", new(Doorbells)),
        new(XhciCapabilityOffsets.RuntimeOffset, 4, "RTSOFF", new(Runtime)),
        new(XhciCapabilityOffsets.CapabilityParameters2, 4, "HCCPARAMS2", new(new XhciCapabilityParameters2 { U3Entry = true, LargeEsit = true }.Raw.Value)),
    ];

    private static Register[] Operational(XhciOptions options)
    {
        XhciCommand command = new()
        {
            Run = true,
            Reset = true,
            InterruptEnable = true,
            SystemErrorEnable = true,
            LightReset = options.LightReset,
            SaveState = true,
            RestoreState = true,
            WrapEventEnable = true,
            StopInU3 = true,
        };
        XhciStatus changes = new() { HostSystemError = true, EventInterrupt = true, PortChange = true, SaveRestoreError = true };
        XhciConfigure configure = new() { SlotsEnabled = 0xFF, U3EntryEnable = true };
        ulong ring = Bits64.Mask(63, 6) | 0b111;
        return
        [
            new(Command, 4, "USBCMD", new(0, command.Raw.Value, Unreadable: new XhciCommand { SaveState = true, RestoreState = true }.Raw.Value)),
            new(Status, 4, "USBSTS", new(new XhciStatus { Halted = true }.Raw.Value, ClearOnOne: changes.Raw.Value)),
            new(OperationalBase + XhciOperationalOffsets.PageSize, 4, "PAGESIZE", new(1)),
            new(OperationalBase + XhciOperationalOffsets.NotificationControl, 4, "DNCTRL", new(0, Bits32.Mask(15, 0))),
            new(CommandRing, 8, "CRCR", new(0, ring, Unreadable: ring)),
            new(ContextArray, 8, "DCBAAP", new(0, Bits64.Mask(63, 6))),
            new(Configure, 4, "CONFIG", new(0, configure.Raw.Value)),
        ];
    }

    private static Register[] Port(XhciOptions options, int index)
    {
        bool isUsb3 = index >= options.Usb2PortCount;
        XhciPortStatusControl reset = new() { Power = !options.PortPowerControl, LinkState = options.PortPowerControl ? PortLinkState.Disabled : PortLinkState.RxDetect };

        // Enabled, reset and link state are strobes that the port itself acts on: the table alone changes none of them.
        XhciPortStatusControl writable = new()
        {
            Power = options.PortPowerControl,
            WakeOnConnect = true,
            WakeOnDisconnect = true,
            WakeOnOverCurrent = true,
        };
        XhciPortStatusControl changes = RootPort.Changes;
        uint power = isUsb3
            ? new Usb3PortPower { U1Timeout = 0xFF, U2Timeout = 0xFF, ForceLinkAccept = true }.Raw.Value
            : new Usb2PortPower { RemoteWake = true, ResumeLatency = 0xF, L1Slot = 0xFF, TestMode = 0xF }.Raw.Value;
        int at = PortAt(index);
        return
        [
            new(at + XhciOperationalOffsets.PortStatus, 4, $"PORTSC{index + 1}", new(reset.Raw.Value, writable.Raw.Value, changes.Raw.Value)),
            new(at + XhciOperationalOffsets.PortPower, 4, $"PORTPMSC{index + 1}", new(0, power)),
            new(at + XhciOperationalOffsets.PortLink, 4, $"PORTLI{index + 1}", new(0)),
            new(at + XhciOperationalOffsets.PortHardwareLpm, 4, $"PORTHLPMC{index + 1}", new(0)),
        ];
    }

    private static Register[] Interrupter(int index)
    {
        int at = InterrupterAt(index);
        ulong busy = new EventRingDequeue { Busy = true }.Raw.Value;
        return
        [
            new(at + XhciRuntimeOffsets.Management, 4, $"IMAN{index}", new(0, Writable: 2, ClearOnOne: 1)),
            new(at + XhciRuntimeOffsets.Moderation, 4, $"IMOD{index}", new(DefaultModeration, Writable: uint.MaxValue)),
            new(at + XhciRuntimeOffsets.TableSize, 4, $"ERSTSZ{index}", new(0, Writable: Bits32.Mask(15, 0))),
            new(at + XhciRuntimeOffsets.TableBase, 8, $"ERSTBA{index}", new(0, Writable: Bits64.Mask(63, 6))),
            new(at + XhciRuntimeOffsets.Dequeue, 8, $"ERDP{index}", new(0, Writable: ~busy, ClearOnOne: busy)),
        ];
    }

    // Legacy support first, then a supported protocol for each kind of port there is.
    private static List<Register> ExtendedCapabilities(XhciOptions options)
    {
        XhciLegacySupport legacy = new() { Id = XhciExtendedId.LegacySupport, Next = ProtocolBytes / 4, FirmwareOwned = options.FirmwareOwned };
        XhciLegacySupport owners = new() { FirmwareOwned = true, SystemOwned = true };
        List<Register> registers =
        [
            new(LegacySupport, 4, "USBLEGSUP", new(legacy.Raw.Value, owners.Raw.Value)),
            new(LegacyControl, 4, "USBLEGCTLSTS", new(0, LegacyEnables, LegacyChanges)),
        ];
        int at = Extended + ProtocolBytes;
        if (options.Usb2PortCount != 0)
        {
            Add(new() { Major = 2, FirstPort = 1, PortCount = (byte)options.Usb2PortCount }, isLast: options.Usb3PortCount == 0);
        }

        if (options.Usb3PortCount != 0)
            Add(new() { Major = 3, FirstPort = (byte)(options.Usb2PortCount + 1), PortCount = (byte)options.Usb3PortCount }, isLast: true);
        return registers;

        void Add(SupportedProtocol protocol, bool isLast)
        {
            protocol = protocol with { Id = XhciExtendedId.SupportedProtocol, Next = isLast ? 0 : ProtocolBytes / 4, Name = SupportedProtocol.UsbName };
            registers.Add(new(at, 8, $"SUPPORTED{protocol.Major}", new(protocol.Raw.Word0)));
            registers.Add(new(at + 8, 8, $"SUPPORTED{protocol.Major} (ports)", new(protocol.Raw.Word1)));
            at += ProtocolBytes;
        }
    }
}
