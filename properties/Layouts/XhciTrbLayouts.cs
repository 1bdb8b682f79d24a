using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>The tables are those of the xHCI reference sheet, section 6.</summary>
public sealed class XhciTrbLayouts
{
    [Fact]
    public void Transfer_blocks_have_the_bits_of_the_manual()
    {
        Check128(
            raw => new Trb(raw),
            ("Parameter", "63:0"),
            ("Status", "95:64"),
            ("Control", "127:96"),
            ("Cycle", "96"),
            ("Type", "111:106"));
        Check128(
            raw => new NormalTrb(raw),
            ("Buffer", "63:0"),
            ("Length", "80:64"),
            ("TdSize", "85:81"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("InterruptOnShort", "98"),
            ("NoSnoop", "99"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Immediate", "102"),
            ("BlockInterrupt", "105"),
            ("Type", "111:106"));
        Check128(
            raw => new SetupTrb(raw),
            ("Packet", "63:0"),
            ("Length", "80:64"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("InterruptOnCompletion", "101"),
            ("Immediate", "102"),
            ("Type", "111:106"),
            ("TransferType", "113:112"));
        Check128(
            raw => new DataTrb(raw),
            ("Buffer", "63:0"),
            ("Length", "80:64"),
            ("TdSize", "85:81"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("InterruptOnShort", "98"),
            ("NoSnoop", "99"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Immediate", "102"),
            ("Type", "111:106"),
            ("In", "112"));
        Check128(
            raw => new StatusTrb(raw),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Type", "111:106"),
            ("In", "112"));
        Check128(
            raw => new IsochronousTrb(raw),
            ("Buffer", "63:0"),
            ("Length", "80:64"),
            ("TdSize", "85:81"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("InterruptOnShort", "98"),
            ("NoSnoop", "99"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Immediate", "102"),
            ("BurstCount", "104:103"),
            ("BlockInterrupt", "105"),
            ("Type", "111:106"),
            ("LastBurstPackets", "115:112"),
            ("Frame", "126:116"),
            ("AsSoonAsPossible", "127"));
        Check128(
            raw => new LinkTrb(raw),
            ("Segment", "63:4"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("ToggleCycle", "97"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Type", "111:106"));
        Check128(
            raw => new EventDataTrb(raw),
            ("Data", "63:0"),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("BlockInterrupt", "105"),
            ("Type", "111:106"));
        Check128(
            raw => new NoOpTrb(raw),
            ("Interrupter", "95:86"),
            ("Cycle", "96"),
            ("EvaluateNext", "97"),
            ("Chain", "100"),
            ("InterruptOnCompletion", "101"),
            ("Type", "111:106"));
    }

    [Fact]
    public void Commands_have_the_bits_of_the_manual()
    {
        Check128(
            raw => new EnableSlotCommand(raw),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("SlotType", "116:112"));
        Check128(
            raw => new SlotCommand(raw),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Slot", "127:120"));
        Check128(
            raw => new ContextCommand(raw),
            ("InputContext", "63:4"),
            ("Cycle", "96"),
            ("Deconfigure", "105"),
            ("BlockSetAddress", "105"),
            ("Type", "111:106"),
            ("Slot", "127:120"));
        Check128(
            raw => new EndpointCommand(raw),
            ("Cycle", "96"),
            ("KeepState", "105"),
            ("Type", "111:106"),
            ("Endpoint", "116:112"),
            ("Suspend", "119"),
            ("Slot", "127:120"));
        Check128(
            raw => new SetDequeueCommand(raw),
            ("CycleState", "0"),
            ("StreamType", "3:1"),
            ("Dequeue", "63:4"),
            ("Stream", "95:80"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Endpoint", "116:112"),
            ("Slot", "127:120"));
        Check128(
            raw => new ForceEventCommand(raw),
            ("EventTrb", "63:4"),
            ("Target", "95:86"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Function", "119:112"));
        Check128(
            raw => new SetLatencyToleranceCommand(raw),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Tolerance", "123:112"));
        Check128(
            raw => new PortBandwidthCommand(raw),
            ("Context", "63:4"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Speed", "115:112"),
            ("HubSlot", "127:120"));
        Check128(
            raw => new ForceHeaderCommand(raw),
            ("PacketType", "4:0"),
            ("HeaderLow", "63:5"),
            ("HeaderHigh", "95:64"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("RootPort", "127:120"));
    }

    [Fact]
    public void Events_have_the_bits_of_the_manual()
    {
        Check128(
            raw => new TransferEvent(raw),
            ("Pointer", "63:0"),
            ("Residual", "87:64"),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("EventData", "98"),
            ("Type", "111:106"),
            ("Endpoint", "116:112"),
            ("Slot", "127:120"));
        Check128(
            raw => new CommandCompletionEvent(raw),
            ("Pointer", "63:4"),
            ("Parameter", "87:64"),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Function", "119:112"),
            ("Slot", "127:120"));
        Check128(
            raw => new PortStatusChangeEvent(raw),
            ("Port", "31:24"),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"));
        Check128(
            raw => new HostControllerEvent(raw),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"));
        Check128(
            raw => new SlotEvent(raw),
            ("Reason", "4:0"),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Function", "119:112"),
            ("Slot", "127:120"));
        Check128(
            raw => new DeviceNotificationEvent(raw),
            ("Notification", "7:4"),
            ("Data", "63:8"),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"),
            ("Slot", "127:120"));
        Check128(
            raw => new MicroframeWrapEvent(raw),
            ("Code", "95:88"),
            ("Cycle", "96"),
            ("Type", "111:106"));
    }

    [Fact]
    public void Types_have_the_numbers_of_the_manual()
    {
        Assert.Equal((1, 2, 3, 4), ((int)TrbType.Normal, (int)TrbType.Setup, (int)TrbType.Data, (int)TrbType.Status));
        Assert.Equal((5, 6, 7, 8), ((int)TrbType.Isochronous, (int)TrbType.Link, (int)TrbType.EventData, (int)TrbType.NoOp));
        Assert.Equal((9, 10, 11, 12, 13), ((int)TrbType.EnableSlot, (int)TrbType.DisableSlot, (int)TrbType.AddressDevice, (int)TrbType.ConfigureEndpoint, (int)TrbType.EvaluateContext));
        Assert.Equal((14, 15, 16, 17, 18), ((int)TrbType.ResetEndpoint, (int)TrbType.StopEndpoint, (int)TrbType.SetDequeue, (int)TrbType.ResetDevice, (int)TrbType.ForceEvent));
        Assert.Equal((19, 20, 21, 22, 23), ((int)TrbType.NegotiateBandwidth, (int)TrbType.SetLatencyTolerance, (int)TrbType.GetPortBandwidth, (int)TrbType.ForceHeader, (int)TrbType.NoOpCommand));
        Assert.Equal((32, 33, 34, 35), ((int)TrbType.TransferEvent, (int)TrbType.CommandCompletion, (int)TrbType.PortStatusChange, (int)TrbType.BandwidthRequest));
        Assert.Equal((36, 37, 38, 39), ((int)TrbType.DoorbellEvent, (int)TrbType.HostController, (int)TrbType.DeviceNotification, (int)TrbType.MicroframeWrap));
    }

    [Fact]
    public void Completion_codes_have_the_numbers_of_the_manual()
    {
        string[] names =
        [
            "None", "Success", "DataBufferError", "Babble", "TransactionError", "TrbError", "Stall", "ResourceError", "BandwidthError", "NoSlots", "InvalidStreamType",
            "SlotNotEnabled", "EndpointNotEnabled", "ShortPacket", "RingUnderrun", "RingOverrun", "VirtualEventRingFull", "ParameterError", "BandwidthOverrun",
            "ContextStateError", "NoPingResponse", "EventRingFull", "IncompatibleDevice", "MissedService", "CommandRingStopped", "CommandAborted", "Stopped",
            "StoppedLengthInvalid", "StoppedShortPacket", "ExitLatencyTooLarge", "30", "IsochronousBufferOverrun", "EventLost", "Undefined", "InvalidStream",
            "SecondaryBandwidth", "SplitError",
        ];
        Assert.Equal(names, Enumerable.Range(0, 37).Select(code => ((CompletionCode)code).ToString()));
        Assert.Equal((0, 2, 3), ((int)SetupTransferType.NoData, (int)SetupTransferType.Out, (int)SetupTransferType.In));
    }

    private static void Check128<T>(Func<Bits128, T> make, params (string Property, string Bits)[] table)
        where T : struct
    {
        LayoutProbe.Check(2, raw => make(new(raw[0], raw[1])), table);
        LayoutProbe.CheckWrites(2, raw => make(new(raw[0], raw[1])));
    }
}
