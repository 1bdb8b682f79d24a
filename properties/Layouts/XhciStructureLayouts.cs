using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the xHCI reference sheet, sections 4 and 5.</summary>
public sealed class XhciStructureLayouts
{
    [Fact]
    public void Contexts_have_the_bits_of_the_manual()
    {
        Check256(
            raw => new SlotContext(raw),
            ("Route", "19:0"),
            ("Speed", "23:20"),
            ("MultiTranslator", "25"),
            ("Hub", "26"),
            ("Entries", "31:27"),
            ("ExitLatencyUs", "47:32"),
            ("RootPort", "55:48"),
            ("PortCount", "63:56"),
            ("TranslatorSlot", "71:64"),
            ("TranslatorPort", "79:72"),
            ("ThinkTime", "81:80"),
            ("Interrupter", "95:86"),
            ("Address", "103:96"),
            ("State", "127:123"));
        Check256(
            raw => new EndpointContext(raw),
            ("State", "2:0"),
            ("Mult", "9:8"),
            ("StreamsMax", "14:10"),
            ("LinearStreams", "15"),
            ("Interval", "23:16"),
            ("ErrorCount", "34:33"),
            ("Type", "37:35"),
            ("HostInitiateDisable", "39"),
            ("BurstMax", "47:40"),
            ("MaxPacketSize", "63:48"),
            ("CycleState", "64"),
            ("Dequeue", "127:68"),
            ("AverageLength", "143:128"),
            ("EsitPayload", "31:24, 159:144"));
        Check256(
            raw => new InputControlContext(raw),
            ("DropFlags", "31:0"),
            ("AddFlags", "63:32"),
            ("Configuration", "231:224"),
            ("Interface", "239:232"),
            ("AlternateSetting", "247:240"));
    }

    [Fact]
    public void Tables_have_the_bits_of_the_manual()
    {
        Check128(
            raw => new EventRingSegment(raw),
            ("Address", "63:6"),
            ("TrbCount", "79:64"));
        Check128(
            raw => new StreamContext(raw),
            ("CycleState", "0"),
            ("Type", "3:1"),
            ("Dequeue", "63:4"),
            ("StoppedLength", "87:64"));
        Check64(
            raw => new ScratchpadPointer(raw),
            ("Address", "63:12"));
    }

    [Fact]
    public void Contexts_lie_one_after_another_in_either_size()
    {
        Assert.Equal((1, 2, 3, 30, 31), (ContextIndex.Control, ContextIndex.Of(1, isIn: false), ContextIndex.Of(1, isIn: true), ContextIndex.Of(15, isIn: false), ContextIndex.Of(15, isIn: true)));
        Assert.Equal((0x00, 0x20, 0x3E0), (ContextIndex.Offset(0, 32), ContextIndex.Offset(1, 32), ContextIndex.Offset(31, 32)));
        Assert.Equal((0x20, 0x40, 0x400), (ContextIndex.InputOffset(0, 32), ContextIndex.InputOffset(1, 32), ContextIndex.InputOffset(31, 32)));
        Assert.Equal((0x40, 0x7C0, 0x800), (ContextIndex.Offset(1, 64), ContextIndex.Offset(31, 64), ContextIndex.InputOffset(31, 64)));
        Assert.Equal((15, 15, 0), (ContextIndex.Number(31), ContextIndex.Number(30), ContextIndex.Number(ContextIndex.Control)));
    }

    [Fact]
    public void States_and_types_have_the_numbers_of_the_manual()
    {
        Assert.Equal((1, 2, 3), ((int)SlotState.Default, (int)SlotState.Addressed, (int)SlotState.Configured));
        Assert.Equal((0, 1, 2, 3, 4), ((int)EndpointState.Disabled, (int)EndpointState.Running, (int)EndpointState.Halted, (int)EndpointState.Stopped, (int)EndpointState.Error));
        Assert.Equal((1, 2, 3, 4), ((int)XhciEndpointType.IsochronousOut, (int)XhciEndpointType.BulkOut, (int)XhciEndpointType.InterruptOut, (int)XhciEndpointType.Control));
        Assert.Equal((5, 6, 7), ((int)XhciEndpointType.IsochronousIn, (int)XhciEndpointType.BulkIn, (int)XhciEndpointType.InterruptIn));
        Assert.Equal((0, 1, 2, 7), ((int)StreamContextType.SecondaryRing, (int)StreamContextType.PrimaryRing, (int)StreamContextType.Secondary8, (int)StreamContextType.Secondary256));
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

    private static void Check256<T>(Func<Bits256, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(4, raw => make(new(raw[0], raw[1], raw[2], raw[3])), table);
        LayoutProbe.CheckWrites(4, raw => make(new(raw[0], raw[1], raw[2], raw[3])));
    }
}
