using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Commands, the states that they need, and what they leave alone when they are refused.</summary>
public sealed class XhciCommandTests
{
    private const uint ControlFlags = 3;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Slots_are_given_out_from_the_lowest_on_and_end(bool has64ByteContexts)
    {
        using XhciBench bench = new(new() { SlotCount = 3, Contexts64Byte = has64ByteContexts });
        bench.Start();
        Assert.Equal([1, 2, 3], Enumerable.Range(0, 3).Select(_ => (int)bench.Command(XhciTrbs.EnableSlot()).Slot));
        Assert.Equal(CompletionCode.NoSlots, bench.Command(XhciTrbs.EnableSlot()).Code);
        bench.Write(XhciBench.ContextArray + 16, bench.Take(2048));
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfSlot(TrbType.DisableSlot, 2)).Code);
        Assert.Equal(CompletionCode.SlotNotEnabled, bench.Command(XhciTrbs.OfSlot(TrbType.DisableSlot, 2)).Code);
        Assert.Equal(2, bench.Command(XhciTrbs.EnableSlot()).Slot);
    }

    [Fact]
    public void Each_command_is_completed_once_and_in_order_across_the_link()
    {
        using XhciBench bench = new();
        bench.Start();
        List<ulong> given = [];
        for (int round = 0; round < 5; round++)
        {
            for (int command = 0; command < 40; command++)
                given.Add(bench.Commands.Add(command % 3 == 0 ? new Trb() with { Type = (TrbType)50 } : new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw)));
            bench.Doorbell(0, 0);
            bench.Loop.RunFor(1_000_000);
            _ = bench.Drain();
        }

        CommandCompletionEvent[] done = XhciTrbs.Completions(bench.Events);
        Assert.Equal(given, done.Select(completion => completion.Pointer));
        Assert.All(done, (completion, index) => Assert.Equal(index % 40 % 3 == 0 ? CompletionCode.TrbError : CompletionCode.Success, completion.Code));
    }

    [Theory]
    [InlineData(UsbSpeed.Low, 1)]
    [InlineData(UsbSpeed.Full, 2)]
    [InlineData(UsbSpeed.High, 1)]
    [InlineData(UsbSpeed.Super, 5)]
    [InlineData(UsbSpeed.Super, 1)]
    public void A_device_of_any_speed_gets_an_address_that_the_controller_chose(UsbSpeed speed, int port)
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = speed };
        bench.Attach(device, port);
        (int slot, _) = bench.Address(port);
        SlotContext context = bench.SlotContextOf(slot);
        Assert.Equal((SlotState.Addressed, device.Address), (context.State, context.Address));
        Assert.NotEqual(0, device.Address);
        Assert.Equal(EndpointState.Running, bench.EndpointContextOf(slot, 1).State);
        Assert.Equal([UsbPid.Setup, UsbPid.In], device.Heard.Select(packet => packet.Token));
    }

    [Fact]
    public void Devices_at_different_ports_may_have_no_address_at_the_same_time()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice[] devices = [new(), new(), new()];
        for (int port = 1; port <= 3; port++)
            bench.Attach(devices[port - 1], port);
        for (int port = 1; port <= 3; port++)
            _ = bench.Address(port);
        Assert.All(devices, device => Assert.NotEqual(0, device.Address));
    }

    [Fact]
    public void An_address_without_traffic_leaves_the_device_at_zero()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        bench.Attach(device, 1);
        (int slot, XhciTestRing ring) = bench.Address(1, blocks: true);
        Assert.Empty(device.Heard);
        Assert.Equal((SlotState.Default, (byte)0), (bench.SlotContextOf(slot).State, bench.SlotContextOf(slot).Address));
        ulong again = bench.AddressInput(1, ring);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.AddressDevice(slot, again, blocks: true)).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.AddressDevice(slot, again)).Code);
        Assert.Equal(SlotState.Addressed, bench.SlotContextOf(slot).State);
    }

    [Fact]
    public void A_device_that_does_not_answer_leaves_its_slot_as_it_was()
    {
        using XhciBench bench = new();
        bench.Start();
        int slot = bench.Command(XhciTrbs.EnableSlot()).Slot;
        bench.Write(XhciBench.ContextArray + (ulong)(8 * slot), bench.Take(2048));
        XhciTestRing ring = new(bench);
        ulong input = bench.InputContext(ControlFlags);
        bench.Write(bench.InputAt(input, 0), new SlotContext { Speed = PortSpeed.High, RootPort = 1, Entries = 1 });
        bench.Write(bench.InputAt(input, 1), new EndpointContext { Type = XhciEndpointType.Control, MaxPacketSize = 64, ErrorCount = 3, Dequeue = ring.Start, CycleState = true });
        Assert.Equal(CompletionCode.TransactionError, bench.Command(XhciTrbs.AddressDevice(slot, input)).Code);
        Assert.Equal(SlotState.Enabled, bench.SlotContextOf(slot).State);
        Assert.Equal(CompletionCode.EndpointNotEnabled, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 1)).Code);
    }

    [Fact]
    public void A_device_that_needs_time_is_waited_for_and_a_stall_is_told()
    {
        using XhciBench bench = new();
        bench.Start();
        ScriptedDevice device = new();
        int asked = 0;
        device.Gives = (_, _) => ++asked < 5 ? UsbReply.Nak : UsbReply.Stall;
        bench.Attach(device, 1);
        int slot = bench.Command(XhciTrbs.EnableSlot()).Slot;
        bench.Write(XhciBench.ContextArray + (ulong)(8 * slot), bench.Take(2048));
        Assert.Equal(CompletionCode.Stall, bench.Command(XhciTrbs.AddressDevice(slot, bench.AddressInput(1, new(bench)))).Code);
        Assert.Equal(5, asked);
        device.Gives = (_, _) => UsbReply.Nak;
        Assert.Equal(CompletionCode.TransactionError, bench.Command(XhciTrbs.AddressDevice(slot, bench.AddressInput(1, new(bench)))).Code);
    }

    [Fact]
    public void Bad_contexts_are_refused_by_their_fields()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice(), 1);
        int slot = bench.Command(XhciTrbs.EnableSlot()).Slot;
        bench.Write(XhciBench.ContextArray + (ulong)(8 * slot), bench.Take(2048));
        XhciTestRing ring = new(bench);
        Assert.Equal(CompletionCode.TrbError, With(control => control with { AddFlags = 1 }, null, null));
        Assert.Equal(CompletionCode.TrbError, With(control => control with { DropFlags = 4 }, null, null));
        Assert.Equal(CompletionCode.TrbError, With(null, context => context with { RootPort = 0 }, null));
        Assert.Equal(CompletionCode.TrbError, With(null, context => context with { RootPort = 9 }, null));
        Assert.Equal(CompletionCode.ParameterError, With(null, context => context with { Speed = PortSpeed.Super }, null));
        Assert.Equal(CompletionCode.ParameterError, With(null, context => context with { Speed = PortSpeed.Full, TranslatorSlot = 7 }, null));
        Assert.Equal(CompletionCode.ParameterError, With(null, null, endpoint => endpoint with { MaxPacketSize = 63 }));
        Assert.Equal(CompletionCode.ParameterError, With(null, null, endpoint => endpoint with { Type = XhciEndpointType.BulkIn }));
        Assert.Equal(CompletionCode.Success, With(null, null, null));

        CompletionCode With(Func<InputControlContext, InputControlContext>? control, Func<SlotContext, SlotContext>? context, Func<EndpointContext, EndpointContext>? endpoint)
        {
            ulong input = bench.AddressInput(1, ring);
            if (control is not null)
                bench.Write(input, control(bench.Read<InputControlContext>(input)));
            if (context is not null)
                bench.Write(bench.InputAt(input, 0), context(bench.Read<SlotContext>(bench.InputAt(input, 0))));
            if (endpoint is not null)
                bench.Write(bench.InputAt(input, 1), endpoint(bench.Read<EndpointContext>(bench.InputAt(input, 1))));
            return bench.Command(XhciTrbs.AddressDevice(slot, input)).Code;
        }
    }

    [Fact]
    public void Endpoints_come_and_go_and_the_slot_follows()
    {
        using XhciBench bench = new();
        bench.Start();
        (int slot, _, _, XhciTestRing toHost) = bench.Bulk(new XhciTestDevice(), 1);
        Assert.Equal(SlotState.Configured, bench.SlotContextOf(slot).State);
        Assert.Equal((EndpointState.Running, toHost.Start), (bench.EndpointContextOf(slot, 3).State, bench.EndpointContextOf(slot, 3).Dequeue));

        // What is there must go before it can come again.
        Assert.Equal(CompletionCode.ParameterError, bench.Configure(slot, (3, XhciBench.Endpoint(XhciEndpointType.BulkIn, 512, toHost.Start))));
        ulong input = bench.InputContext(add: 1, drop: 0xC);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.ConfigureEndpoint(slot, input)).Code);
        Assert.Equal(SlotState.Addressed, bench.SlotContextOf(slot).State);
        Assert.Equal(EndpointState.Disabled, bench.EndpointContextOf(slot, 3).State);
        Assert.Equal(CompletionCode.EndpointNotEnabled, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
    }

    [Fact]
    public void Deconfiguring_and_resetting_leave_endpoint_zero_alone()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        (int slot, _, _, _) = bench.Bulk(device, 1);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.ConfigureEndpoint(slot, 0, deconfigures: true)).Code);
        Assert.Equal(SlotState.Addressed, bench.SlotContextOf(slot).State);
        Assert.Equal((EndpointState.Running, EndpointState.Disabled), (bench.EndpointContextOf(slot, 1).State, bench.EndpointContextOf(slot, 2).State));
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfSlot(TrbType.ResetDevice, slot)).Code);
        Assert.Equal((SlotState.Default, (byte)0), (bench.SlotContextOf(slot).State, bench.SlotContextOf(slot).Address));
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.OfSlot(TrbType.ResetDevice, slot)).Code);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.ConfigureEndpoint(slot, 0, deconfigures: true)).Code);
    }

    [Fact]
    public void Evaluating_changes_the_packet_size_and_nothing_it_may_not()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice { Speed = UsbSpeed.Full }, 1);
        (int slot, _) = bench.Address(1);
        ulong input = bench.InputContext(add: 3);
        bench.Write(bench.InputAt(input, 0), new SlotContext { Interrupter = 2, ExitLatencyUs = 77, RootPort = 3 });
        bench.Write(bench.InputAt(input, 1), new EndpointContext { MaxPacketSize = 16, Type = XhciEndpointType.BulkIn });
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.EvaluateContext(slot, input)).Code);
        SlotContext context = bench.SlotContextOf(slot);
        Assert.Equal((2, 77, (byte)1), (context.Interrupter, context.ExitLatencyUs, context.RootPort));
        Assert.Equal((16, XhciEndpointType.Control), (bench.EndpointContextOf(slot, 1).MaxPacketSize, bench.EndpointContextOf(slot, 1).Type));
        bench.Write(bench.InputAt(input, 1), new EndpointContext { MaxPacketSize = 17 });
        Assert.Equal(CompletionCode.ParameterError, bench.Command(XhciTrbs.EvaluateContext(slot, input)).Code);
        bench.Write(input, new InputControlContext { AddFlags = 4 });
        Assert.Equal(CompletionCode.TrbError, bench.Command(XhciTrbs.EvaluateContext(slot, input)).Code);
        Assert.Equal(16, bench.EndpointContextOf(slot, 1).MaxPacketSize);
    }

    [Fact]
    public void Illegal_transitions_of_endpoints_are_refused_and_change_nothing()
    {
        using XhciBench bench = new();
        bench.Start();
        (int slot, _, _, XhciTestRing toHost) = bench.Bulk(new XhciTestDevice(), 1);
        EndpointContext before = bench.EndpointContextOf(slot, 3);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.OfEndpoint(TrbType.ResetEndpoint, slot, 3)).Code);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.SetDequeue(slot, 3, toHost.At(4), cycle: true)).Code);
        Assert.Equal(before, bench.EndpointContextOf(slot, 3));
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        Assert.Equal(CompletionCode.ContextStateError, bench.Command(XhciTrbs.OfEndpoint(TrbType.StopEndpoint, slot, 3)).Code);
        Assert.Equal(CompletionCode.Success, bench.Command(XhciTrbs.SetDequeue(slot, 3, toHost.At(4), cycle: true)).Code);
        Assert.Equal((EndpointState.Stopped, toHost.At(4)), (bench.EndpointContextOf(slot, 3).State, bench.EndpointContextOf(slot, 3).Dequeue));
    }

    [Fact]
    public void Optional_commands_exist_only_where_the_capability_does()
    {
        foreach (bool has in (bool[])[true, false])
        {
            using XhciBench bench = new(new() { BandwidthNegotiation = has, LatencyTolerance = has });
            bench.Start();
            bench.Attach(new XhciTestDevice(), 1);
            (int slot, _) = bench.Address(1);
            CompletionCode expected = has ? CompletionCode.Success : CompletionCode.TrbError;
            ulong answer = bench.Take(64);
            Assert.Equal(expected, bench.Command(new(new SetLatencyToleranceCommand { Type = TrbType.SetLatencyTolerance, Tolerance = 5 }.Raw)).Code);
            Assert.Equal(expected, bench.Command(XhciTrbs.OfSlot(TrbType.NegotiateBandwidth, slot)).Code);
            Assert.Equal(expected, bench.Command(new(new PortBandwidthCommand { Type = TrbType.GetPortBandwidth, Context = answer, Speed = PortSpeed.High }.Raw)).Code);
            Assert.Equal(has ? 100 : 0, bench.ReadBytes(answer, 16)[1]);
            Assert.Equal(0, bench.ReadBytes(answer, 16)[5]);
            Assert.Equal(CompletionCode.TrbError, bench.Command(new(new ForceEventCommand { Type = TrbType.ForceEvent }.Raw)).Code);
            Assert.Equal(CompletionCode.TrbError, bench.Command(new(new ForceHeaderCommand { Type = TrbType.ForceHeader, RootPort = 1 }.Raw)).Code);
            Assert.Equal(CompletionCode.Undefined, bench.Command(new(new ForceHeaderCommand { Type = TrbType.ForceHeader, RootPort = 5 }.Raw)).Code);
        }
    }

    [Fact]
    public void The_ring_stops_when_asked_and_goes_on_where_it_was()
    {
        using XhciBench bench = new();
        bench.Start();
        ulong first = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
        ulong second = bench.Commands.Add(new(new NoOpTrb { Type = TrbType.NoOpCommand }.Raw));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(3000);
        Assert.True(new CommandRingControl(new(bench.ReadRegister(XhciOperationalOffsets.CommandRing, 8))).Running);
        bench.WriteRegister(XhciOperationalOffsets.CommandRing, new CommandRingControl { Stop = true, Pointer = 0x4440, CycleState = true }.Raw.Value, 8);
        bench.Loop.RunFor(100_000);
        _ = bench.Drain();
        Assert.Equal(
            [(first, CompletionCode.Success), (second, CompletionCode.CommandRingStopped)],
            XhciTrbs.Completions(bench.Events).Select(done => (done.Pointer, done.Code)));
        Assert.Equal(0ul, bench.ReadRegister(XhciOperationalOffsets.CommandRing, 8));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(100_000);
        Assert.Equal((second, CompletionCode.Success), (XhciTrbs.Completions(bench.Drain())[0].Pointer, XhciTrbs.Completions(bench.Events)[^1].Code));
    }

    [Fact]
    public void A_command_that_waits_can_be_aborted()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new ScriptedDevice(), 1);
        int slot = bench.Command(XhciTrbs.EnableSlot()).Slot;
        ulong at = bench.Commands.Add(XhciTrbs.AddressDevice(slot, bench.AddressInput(1, new(bench))));
        bench.Doorbell(0, 0);
        bench.Loop.RunFor(1_000_000);
        bench.WriteRegister(XhciOperationalOffsets.CommandRing, new CommandRingControl { Abort = true }.Raw.Value, 8);
        bench.Loop.RunFor(1000);
        CommandCompletionEvent[] done = XhciTrbs.Completions(bench.Drain());
        Assert.Equal([(at, CompletionCode.CommandAborted), (at + 16, CompletionCode.CommandRingStopped)], done.Select(completion => (completion.Pointer, completion.Code)));
    }
}
