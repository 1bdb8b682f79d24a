using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The register window of an EHCI controller as a table, and typed access for the controller itself (EHCI, register interface).</summary>
public sealed class EhciRegisters
{
    /// <summary>Bytes in the window: a page, so that it can be given to a VM alone.</summary>
    public const int WindowLength = 4096;

    /// <summary>CAPLENGTH: where the operational registers begin.</summary>
    public const int OperationalBase = 0x20;

    /// <summary>HCCPARAMS.EECP: where the legacy capability lies in configuration space.</summary>
    public const byte LegacyCapability = 0x68;

    /// <summary>The bits of USBSTS that can interrupt.</summary>
    public const uint InterruptMask = 0x3F;

    /// <summary>Where USBCMD lies.</summary>
    public const int Command = OperationalBase + EhciOperationalOffsets.UsbCommand;
    /// <summary>Where USBSTS lies.</summary>
    public const int Status = OperationalBase + EhciOperationalOffsets.UsbStatus;
    /// <summary>Where USBINTR lies.</summary>
    public const int InterruptEnable = OperationalBase + EhciOperationalOffsets.InterruptEnable;
    /// <summary>Where FRINDEX lies.</summary>
    public const int FrameIndexAt = OperationalBase + EhciOperationalOffsets.FrameIndex;
    /// <summary>Where CTRLDSSEGMENT lies.</summary>
    public const int Segment = OperationalBase + EhciOperationalOffsets.Segment;
    /// <summary>Where PERIODICLISTBASE lies.</summary>
    public const int PeriodicListBase = OperationalBase + EhciOperationalOffsets.PeriodicListBase;
    /// <summary>Where ASYNCLISTADDR lies.</summary>
    public const int AsyncListAddress = OperationalBase + EhciOperationalOffsets.AsyncListAddress;
    /// <summary>Where CONFIGFLAG lies.</summary>
    public const int ConfigureFlagAt = OperationalBase + EhciOperationalOffsets.ConfigureFlag;
    /// <summary>Where PORTSC of the first port lies; the others follow.</summary>
    public const int FirstPort = OperationalBase + EhciOperationalOffsets.FirstPort;

    private const uint DefaultThreshold = 8u << 16;
    private const uint ParkDefaults = 0xB00;

    /// <summary>The registers of a controller, at their reset values.</summary>
    /// <param name="options">How it is built.</param>
    public EhciRegisters(EhciOptions options)
    {
        PortRule = RuleOfPorts(options);
        List<Register> registers =
        [
            new(EhciCapabilityOffsets.Length, 1, "CAPLENGTH", new(OperationalBase)),
            new(EhciCapabilityOffsets.InterfaceVersion, 2, "HCIVERSION", new(0x0100)),
            new(EhciCapabilityOffsets.StructuralParameters, 4, "HCSPARAMS", new(Structure(options).Raw.Value)),
            new(EhciCapabilityOffsets.CapabilityParameters, 4, "HCCPARAMS", new(Capability(options).Raw.Value)),
            new(EhciCapabilityOffsets.PortRoute, 4, "HCSP-PORTROUTE", new(0)),
            new(EhciCapabilityOffsets.PortRoute + 4, 4, "HCSP-PORTROUTE (high)", new(0)),
            new(Command, 4, "USBCMD", new(DefaultThreshold | (options.AsyncPark ? ParkDefaults : 0), Writable: CommandWritable(options))),
            new(Status, 4, "USBSTS", new(new UsbStatus { Halted = true }.Raw.Value, ClearOnOne: InterruptMask)),
            new(InterruptEnable, 4, "USBINTR", new(0, Writable: InterruptMask)),
            new(FrameIndexAt, 4, "FRINDEX", new(0, Writable: Bits32.Mask(13, 0))),
            new(Segment, 4, "CTRLDSSEGMENT", new(0, Writable: options.Addresses64Bit ? uint.MaxValue : 0)),
            new(PeriodicListBase, 4, "PERIODICLISTBASE", new(0, Writable: Bits32.Mask(31, 12))),
            new(AsyncListAddress, 4, "ASYNCLISTADDR", new(0, Writable: Bits32.Mask(31, 5))),
            new(ConfigureFlagAt, 4, "CONFIGFLAG", new(0, Writable: 1)),
        ];
        for (int index = 0; index < options.PortCount; index++)
            registers.Add(new(FirstPort + (4 * index), 4, $"PORTSC{index + 1}", PortRule));
        File = new(WindowLength, registers);
    }

    /// <summary>The window as software sees it.</summary>
    public RegisterFile File { get; }

    /// <summary>How PORTSC answers writes.</summary>
    public RegisterRule PortRule { get; }

    /// <summary>Gives every register its reset value, but for CONFIGFLAG and the ports.</summary>
    public void ResetButPorts()
    {
        foreach (Register register in File.Registers)
        {
            if (register.Offset < ConfigureFlagAt)
                File[register.Offset] = register.Rule.Reset;
        }
    }

    /// <summary>HCSPARAMS.PPC: software switches the power of the ports.</summary>
    public bool HasPowerControl =>
        new StructuralParameters(new((uint)File[EhciCapabilityOffsets.StructuralParameters])).PortPowerControl;

    /// <summary>USBCMD.</summary>
    public UsbCommand UsbCommand
    {
        get => new(new((uint)File[Command]));
        set => File[Command] = value.Raw.Value;
    }

    /// <summary>USBSTS.</summary>
    public UsbStatus UsbStatus
    {
        get => new(new((uint)File[Status]));
        set => File[Status] = value.Raw.Value;
    }

    /// <summary>PORTSC of a port.</summary>
    /// <param name="index">From 0 on.</param>
    public PortStatusControl this[int index]
    {
        get => new(new((uint)File[FirstPort + (4 * index)]));
        set => File[FirstPort + (4 * index)] = value.Raw.Value;
    }

    /// <summary>The bit of the frame index whose change is a rollover of the frame list: 13, 12 or 11.</summary>
    public int RolloverBit => 13 - (int)Math.Min((uint)UsbCommand.FrameListSize, 2);

    private static StructuralParameters Structure(EhciOptions options) => new()
    {
        PortCount = options.PortCount,
        PortPowerControl = options.PortPowerControl,
        PortIndicators = options.PortIndicators,
        CompanionCount = options.CompanionCount,
        PortsPerCompanion = options.CompanionCount == 0 ? 0 : (options.PortCount + options.CompanionCount - 1) / options.CompanionCount,
    };

    private static CapabilityParameters Capability(EhciOptions options) => new()
    {
        Addresses64Bit = options.Addresses64Bit,
        ProgrammableFrameList = options.ProgrammableFrameList,
        AsyncPark = options.AsyncPark,
        IsochronousThreshold = options.CachesWholeFrame ? 0 : 1,
        CachesWholeFrame = options.CachesWholeFrame,
        ExtendedCapabilities = LegacyCapability,
    };

    private static uint CommandWritable(EhciOptions options)
    {
        UsbCommand mask = new()
        {
            Run = true,
            Reset = true,
            FrameListSize = options.ProgrammableFrameList ? (FrameListSize)3 : 0,
            PeriodicEnable = true,
            AsyncEnable = true,
            AsyncAdvanceDoorbell = true,
            LightReset = options.LightReset,
            ParkCount = options.AsyncPark ? 3 : 0,
            ParkEnable = options.AsyncPark,
            InterruptThreshold = 0xFF,
        };
        return mask.Raw.Value;
    }

    private static RegisterRule RuleOfPorts(EhciOptions options)
    {
        PortStatusControl reset = new() { Owner = true, Power = !options.PortPowerControl };
        PortStatusControl writable = new()
        {
            Enabled = true,
            ForceResume = true,
            Suspend = true,
            Reset = true,
            Power = options.PortPowerControl,
            Owner = true,
            Indicator = options.PortIndicators ? 3 : 0,
            TestMode = 0xF,
            WakeOnConnect = true,
            WakeOnDisconnect = true,
            WakeOnOverCurrent = true,
        };
        PortStatusControl clearOnOne = new() { ConnectChange = true, EnableChange = true, OverCurrentChange = true };
        return new(reset.Raw.Value, writable.Raw.Value, clearOnOne.Raw.Value);
    }
}
