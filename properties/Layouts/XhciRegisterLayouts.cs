using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the xHCI reference sheet, sections 2, 3, 4 and 10.</summary>
public sealed class XhciRegisterLayouts
{
    [Fact]
    public void Capability_registers_have_the_bits_of_the_manual()
    {
        Check32(
            raw => new XhciStructuralParameters1(raw),
            ("SlotCount", "7:0"),
            ("InterrupterCount", "18:8"),
            ("PortCount", "31:24"));
        Check32(
            raw => new XhciStructuralParameters2(raw),
            ("IsochronousThreshold", "3:0"),
            ("SegmentTableMax", "7:4"),
            ("ScratchpadRestore", "26"),
            ("ScratchpadCount", "25:21, 31:27"));
        Check32(
            raw => new XhciStructuralParameters3(raw),
            ("U1ExitLatencyUs", "7:0"),
            ("U2ExitLatencyUs", "31:16"));
        Check32(
            raw => new XhciCapabilityParameters1(raw),
            ("Addresses64Bit", "0"),
            ("BandwidthNegotiation", "1"),
            ("Contexts64Byte", "2"),
            ("PortPowerControl", "3"),
            ("PortIndicators", "4"),
            ("LightReset", "5"),
            ("LatencyTolerance", "6"),
            ("NoSecondaryStreams", "7"),
            ("ParseAll", "8"),
            ("StoppedShortPacket", "9"),
            ("StoppedLength", "10"),
            ("ContiguousFrames", "11"),
            ("StreamArrayMax", "15:12"),
            ("ExtendedCapabilities", "31:16"));
        Check32(
            raw => new XhciCapabilityParameters2(raw),
            ("U3Entry", "0"),
            ("ExitLatencyTooLarge", "1"),
            ("ForceSave", "2"),
            ("ComplianceTransition", "3"),
            ("LargeEsit", "4"),
            ("ConfigurationInformation", "5"));
    }

    [Fact]
    public void Operational_registers_have_the_bits_of_the_manual()
    {
        Check32(
            raw => new XhciCommand(raw),
            ("Run", "0"),
            ("Reset", "1"),
            ("InterruptEnable", "2"),
            ("SystemErrorEnable", "3"),
            ("LightReset", "7"),
            ("SaveState", "8"),
            ("RestoreState", "9"),
            ("WrapEventEnable", "10"),
            ("StopInU3", "11"));
        Check32(
            raw => new XhciStatus(raw),
            ("Halted", "0"),
            ("HostSystemError", "2"),
            ("EventInterrupt", "3"),
            ("PortChange", "4"),
            ("Saving", "8"),
            ("Restoring", "9"),
            ("SaveRestoreError", "10"),
            ("NotReady", "11"),
            ("ControllerError", "12"));
        Check64(
            raw => new CommandRingControl(raw),
            ("CycleState", "0"),
            ("Stop", "1"),
            ("Abort", "2"),
            ("Running", "3"),
            ("Pointer", "63:6"));
        Check64(
            raw => new ContextPointer(raw),
            ("Address", "63:6"));
        Check32(
            raw => new XhciConfigure(raw),
            ("SlotsEnabled", "7:0"),
            ("U3EntryEnable", "8"),
            ("ConfigurationInformation", "9"));
    }

    [Fact]
    public void Ports_have_the_bits_of_the_manual()
    {
        Check32(
            raw => new XhciPortStatusControl(raw),
            ("Connected", "0"),
            ("Enabled", "1"),
            ("OverCurrent", "3"),
            ("Reset", "4"),
            ("LinkState", "8:5"),
            ("Power", "9"),
            ("Speed", "13:10"),
            ("Indicator", "15:14"),
            ("LinkStateStrobe", "16"),
            ("ConnectChange", "17"),
            ("EnableChange", "18"),
            ("WarmResetChange", "19"),
            ("OverCurrentChange", "20"),
            ("ResetChange", "21"),
            ("LinkStateChange", "22"),
            ("ConfigureErrorChange", "23"),
            ("ColdAttach", "24"),
            ("WakeOnConnect", "25"),
            ("WakeOnDisconnect", "26"),
            ("WakeOnOverCurrent", "27"),
            ("NotRemovable", "30"),
            ("WarmReset", "31"));
        Check32(
            raw => new Usb2PortPower(raw),
            ("L1Status", "2:0"),
            ("RemoteWake", "3"),
            ("ResumeLatency", "7:4"),
            ("L1Slot", "15:8"),
            ("HardwareLpm", "16"),
            ("TestMode", "31:28"));
        Check32(
            raw => new Usb2PortHardwareLpm(raw),
            ("ResumeMode", "1:0"),
            ("L1Timeout", "9:2"),
            ("DeepResumeLatency", "13:10"));
        Check32(
            raw => new Usb3PortPower(raw),
            ("U1Timeout", "7:0"),
            ("U2Timeout", "15:8"),
            ("ForceLinkAccept", "16"));
        Check32(
            raw => new Usb3PortLink(raw),
            ("ErrorCount", "15:0"));
    }

    [Fact]
    public void Runtime_registers_and_doorbells_have_the_bits_of_the_manual()
    {
        Check32(
            raw => new XhciMicroframeIndex(raw),
            ("Microframe", "2:0"),
            ("Frame", "13:3"),
            ("Value", "13:0"));
        Check32(
            raw => new InterrupterManagement(raw),
            ("Pending", "0"),
            ("Enable", "1"));
        Check32(
            raw => new InterrupterModeration(raw),
            ("Interval", "15:0"),
            ("Counter", "31:16"));
        Check64(
            raw => new EventRingDequeue(raw),
            ("Segment", "2:0"),
            ("Busy", "3"),
            ("Pointer", "63:4"));
        Check32(
            raw => new XhciDoorbell(raw),
            ("Target", "7:0"),
            ("Stream", "31:16"));
    }

    [Fact]
    public void Extended_capabilities_have_the_bits_of_the_manual()
    {
        Check32(
            raw => new XhciExtendedCapability(raw),
            ("Id", "7:0"),
            ("Next", "15:8"));
        Check32(
            raw => new XhciLegacySupport(raw),
            ("Id", "7:0"),
            ("Next", "15:8"),
            ("FirmwareOwned", "16"),
            ("SystemOwned", "24"));
        Check32(
            raw => new XhciLegacyControl(raw),
            ("EventEnable", "0"),
            ("SystemErrorEnable", "4"),
            ("OwnershipEnable", "13"),
            ("CommandEnable", "14"),
            ("BarEnable", "15"),
            ("Event", "16"),
            ("SystemError", "20"),
            ("Ownership", "29"),
            ("Command", "30"),
            ("Bar", "31"));
        Check128(
            raw => new SupportedProtocol(raw),
            ("Id", "7:0"),
            ("Next", "15:8"),
            ("Minor", "23:16"),
            ("Major", "31:24"),
            ("Name", "63:32"),
            ("FirstPort", "71:64"),
            ("PortCount", "79:72"),
            ("HighSpeedOnly", "81"),
            ("IntegratedHub", "82"),
            ("HardwareLpm", "83"),
            ("ServiceLatency", "84"),
            ("SpeedIdCount", "95:92"),
            ("SlotType", "100:96"));
        Check32(
            raw => new ProtocolSpeedId(raw),
            ("Value", "3:0"),
            ("Exponent", "5:4"),
            ("LinkType", "7:6"),
            ("FullDuplex", "8"),
            ("LinkProtocol", "15:14"),
            ("Mantissa", "31:16"));
    }

    [Fact]
    public void Registers_lie_where_the_manual_has_them()
    {
        Assert.Equal((0x00, 0x02, 0x04, 0x08, 0x0C), (XhciCapabilityOffsets.Length, XhciCapabilityOffsets.InterfaceVersion, XhciCapabilityOffsets.StructuralParameters1, XhciCapabilityOffsets.StructuralParameters2, XhciCapabilityOffsets.StructuralParameters3));
        Assert.Equal((0x10, 0x14, 0x18, 0x1C), (XhciCapabilityOffsets.CapabilityParameters1, XhciCapabilityOffsets.DoorbellOffset, XhciCapabilityOffsets.RuntimeOffset, XhciCapabilityOffsets.CapabilityParameters2));
        Assert.Equal((0x00, 0x04, 0x08, 0x14), (XhciOperationalOffsets.Command, XhciOperationalOffsets.Status, XhciOperationalOffsets.PageSize, XhciOperationalOffsets.NotificationControl));
        Assert.Equal((0x18, 0x30, 0x38), (XhciOperationalOffsets.CommandRing, XhciOperationalOffsets.ContextArray, XhciOperationalOffsets.Configure));
        Assert.Equal((0x400, 0x10), (XhciOperationalOffsets.FirstPort, XhciOperationalOffsets.PortStride));
        Assert.Equal((0x0, 0x4, 0x8, 0xC), (XhciOperationalOffsets.PortStatus, XhciOperationalOffsets.PortPower, XhciOperationalOffsets.PortLink, XhciOperationalOffsets.PortHardwareLpm));
        Assert.Equal((0x00, 0x20, 0x20), (XhciRuntimeOffsets.MicroframeIndex, XhciRuntimeOffsets.FirstInterrupter, XhciRuntimeOffsets.InterrupterStride));
        Assert.Equal((0x00, 0x04, 0x08, 0x10, 0x18), (XhciRuntimeOffsets.Management, XhciRuntimeOffsets.Moderation, XhciRuntimeOffsets.TableSize, XhciRuntimeOffsets.TableBase, XhciRuntimeOffsets.Dequeue));
    }

    [Fact]
    public void Link_states_and_speeds_have_the_numbers_of_the_manual()
    {
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15], Enum.GetValues<PortLinkState>().Select(state => (int)state));
        Assert.Equal((3, 4, 5, 6), ((int)PortLinkState.U3, (int)PortLinkState.Disabled, (int)PortLinkState.RxDetect, (int)PortLinkState.Inactive));
        Assert.Equal((7, 8, 9, 10), ((int)PortLinkState.Polling, (int)PortLinkState.Recovery, (int)PortLinkState.HotReset, (int)PortLinkState.Compliance));
        Assert.Equal((1, 2, 3, 4), ((int)Usb2L1Status.Success, (int)Usb2L1Status.NotYet, (int)Usb2L1Status.NotSupported, (int)Usb2L1Status.Error));
        Assert.Equal((1, 2, 3, 4), ((int)PortSpeed.Full, (int)PortSpeed.Low, (int)PortSpeed.High, (int)PortSpeed.Super));
        Assert.Equal((1, 2, 4, 10), ((int)XhciExtendedId.LegacySupport, (int)XhciExtendedId.SupportedProtocol, (int)XhciExtendedId.Virtualization, (int)XhciExtendedId.Debug));
        Assert.Equal("USB "u8.ToArray(), BitConverter.GetBytes(SupportedProtocol.UsbName));
    }

    private static void Check32<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
    }

    private static void Check64<T>(Func<Bits64, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new(raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new(raw[0])));
    }

    private static void Check128<T>(Func<Bits128, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(2, raw => make(new(raw[0], raw[1])), table);
        LayoutProbe.CheckWrites(2, raw => make(new(raw[0], raw[1])));
    }
}
