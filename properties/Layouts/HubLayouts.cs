using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the USB reference sheet, section 5, and of the split token of USB 2.0; byte n is bits 8n+7:8n.</summary>
public sealed class HubLayouts
{
    [Fact]
    public void The_hub_descriptor_has_the_bytes_of_the_manual()
    {
        static HubDescriptor Read(ulong[] raw) => new(new(raw[0]));
        LayoutProbe.Check(
            1,
            Read,
            ("Length", "7:0"),
            ("Type", "15:8"),
            ("PortCount", "23:16"),
            ("PowerSwitching", "25:24"),
            ("IsCompound", "26"),
            ("OverCurrentProtection", "28:27"),
            ("ThinkTime", "30:29"),
            ("HasIndicators", "31"),
            ("PowerOnToPowerGood", "47:40"),
            ("ControllerCurrent", "55:48"));
        LayoutProbe.CheckWrites(1, Read);
    }

    [Fact]
    public void Hub_and_port_status_have_the_bits_of_the_manual()
    {
        Check(
            raw => new HubStatus(raw),
            ("LocalPowerLost", "0"),
            ("OverCurrent", "1"),
            ("LocalPowerChange", "16"),
            ("OverCurrentChange", "17"));
        Check(
            raw => new HubPortStatus(raw),
            ("Connected", "0"),
            ("Enabled", "1"),
            ("Suspended", "2"),
            ("OverCurrent", "3"),
            ("Resetting", "4"),
            ("Powered", "8"),
            ("LowSpeed", "9"),
            ("HighSpeed", "10"),
            ("Testing", "11"),
            ("IndicatorControl", "12"),
            ("ConnectionChange", "16"),
            ("EnableChange", "17"),
            ("SuspendChange", "18"),
            ("OverCurrentChange", "19"),
            ("ResetChange", "20"));
        Check(
            raw => new TtBufferSelector(raw),
            ("Endpoint", "3:0"),
            ("DeviceAddress", "10:4"),
            ("EndpointType", "12:11"),
            ("In", "15"));
    }

    [Fact]
    public void A_split_token_has_the_bits_of_the_manual() => Check(
        raw => new SplitToken(raw),
        ("Pid", "7:0"),
        ("HubAddress", "14:8"),
        ("Complete", "15"),
        ("Port", "22:16"),
        ("SpeedOrStart", "23"),
        ("End", "24"),
        ("EndpointType", "26:25"));

    [Fact]
    public void Codes_are_those_of_the_manual()
    {
        Assert.Equal(
            [8, 9, 10, 11],
            [(int)HubRequest.ClearTtBuffer, (int)HubRequest.ResetTt, (int)HubRequest.GetTtState, (int)HubRequest.StopTt]);
        Assert.Equal(
            [0, 1, 2, 3, 4, 8, 9, 16, 17, 18, 19, 20, 21, 22],
            Enum.GetValues<PortFeature>().Select(feature => (int)feature));
        Assert.Equal([0, 1], Enum.GetValues<HubFeature>().Select(feature => (int)feature));
        Assert.Equal(41, (int)DescriptorType.Hub);
    }

    private static void Check<T>(Func<Bits32, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(1, raw => make(new((uint)raw[0])), table);
        LayoutProbe.CheckWrites(1, raw => make(new((uint)raw[0])));
    }
}
