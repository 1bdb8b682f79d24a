using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the EHCI reference sheet, sections 2, 3 and 9.</summary>
public sealed class EhciRegisterLayouts
{
    [Fact]
    public void Capability_registers_have_the_bits_of_the_manual()
    {
        Check(
            raw => new StructuralParameters(raw),
            ("PortCount", "3:0"),
            ("PortPowerControl", "4"),
            ("ExplicitPortRouting", "7"),
            ("PortsPerCompanion", "11:8"),
            ("CompanionCount", "15:12"),
            ("PortIndicators", "16"),
            ("DebugPort", "23:20"));
        Check(
            raw => new CapabilityParameters(raw),
            ("Addresses64Bit", "0"),
            ("ProgrammableFrameList", "1"),
            ("AsyncPark", "2"),
            ("IsochronousThreshold", "6:4"),
            ("CachesWholeFrame", "7"),
            ("ExtendedCapabilities", "15:8"),
            ("HardwarePrefetch", "16"),
            ("LinkPowerManagement", "17"),
            ("PerPortChangeEvents", "18"),
            ("ShortFrameList", "19"));
    }

    [Fact]
    public void Command_and_status_have_the_bits_of_the_manual()
    {
        Check(
            raw => new UsbCommand(raw),
            ("Run", "0"),
            ("Reset", "1"),
            ("FrameListSize", "3:2"),
            ("PeriodicEnable", "4"),
            ("AsyncEnable", "5"),
            ("AsyncAdvanceDoorbell", "6"),
            ("LightReset", "7"),
            ("ParkCount", "9:8"),
            ("ParkEnable", "11"),
            ("PeriodicPrefetch", "12"),
            ("AsyncPrefetch", "13"),
            ("FullySynchronizedPrefetch", "14"),
            ("PerPortChangeEnable", "15"),
            ("InterruptThreshold", "23:16"),
            ("ResumeDuration", "27:24"));
        Check(
            raw => new UsbStatus(raw),
            ("TransferInterrupt", "0"),
            ("ErrorInterrupt", "1"),
            ("PortChange", "2"),
            ("FrameListRollover", "3"),
            ("HostSystemError", "4"),
            ("AsyncAdvance", "5"),
            ("Halted", "12"),
            ("Reclamation", "13"),
            ("PeriodicActive", "14"),
            ("AsyncActive", "15"));
        Check(
            raw => new UsbInterrupts(raw),
            ("Transfer", "0"),
            ("Error", "1"),
            ("PortChange", "2"),
            ("FrameListRollover", "3"),
            ("HostSystemError", "4"),
            ("AsyncAdvance", "5"));
        Check(raw => new FrameIndex(raw), ("Microframe", "2:0"), ("Frame", "12:3"), ("Value", "13:0"));
        Check(raw => new ConfigureFlag(raw), ("Configured", "0"));
    }

    [Fact]
    public void A_port_has_the_bits_of_the_manual() => Check(
        raw => new PortStatusControl(raw),
        ("Connected", "0"),
        ("ConnectChange", "1"),
        ("Enabled", "2"),
        ("EnableChange", "3"),
        ("OverCurrent", "4"),
        ("OverCurrentChange", "5"),
        ("ForceResume", "6"),
        ("Suspend", "7"),
        ("Reset", "8"),
        ("LineState", "11:10"),
        ("Power", "12"),
        ("Owner", "13"),
        ("Indicator", "15:14"),
        ("TestMode", "19:16"),
        ("WakeOnConnect", "20"),
        ("WakeOnDisconnect", "21"),
        ("WakeOnOverCurrent", "22"),
        ("SuspendStatus", "24:23"),
        ("DeviceAddress", "31:25"));

    [Fact]
    public void The_legacy_capability_has_the_bits_of_the_manual()
    {
        Check(
            raw => new LegacySupport(raw),
            ("CapabilityId", "7:0"),
            ("Next", "15:8"),
            ("FirmwareOwned", "16"),
            ("SystemOwned", "24"));
        Check(
            raw => new LegacyControl(raw),
            ("StatusEnables", "5:0"),
            ("OwnershipEnable", "13"),
            ("CommandEnable", "14"),
            ("BarEnable", "15"),
            ("Causes", "21:16"),
            ("OwnershipChanged", "29"),
            ("CommandWritten", "30"),
            ("BarWritten", "31"));
    }

    [Fact]
    public void Registers_lie_at_the_offsets_of_the_manual()
    {
        Assert.Equal(
            [0x00, 0x02, 0x04, 0x08, 0x0C],
            [
                EhciCapabilityOffsets.Length, EhciCapabilityOffsets.InterfaceVersion, EhciCapabilityOffsets.StructuralParameters,
                EhciCapabilityOffsets.CapabilityParameters, EhciCapabilityOffsets.PortRoute,
            ]);
        Assert.Equal(
            [0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x40, 0x44],
            [
                EhciOperationalOffsets.UsbCommand, EhciOperationalOffsets.UsbStatus, EhciOperationalOffsets.InterruptEnable,
                EhciOperationalOffsets.FrameIndex, EhciOperationalOffsets.Segment, EhciOperationalOffsets.PeriodicListBase,
                EhciOperationalOffsets.AsyncListAddress, EhciOperationalOffsets.ConfigureFlag, EhciOperationalOffsets.FirstPort,
            ]);
    }

    private static void Check<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
    }
}
