using Dma.Lab;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The gates of the root ports of an xHCI controller, and what else its host is told.</summary>
public sealed class XhciGateTests
{
    private const uint MillisecondNs = 1_000_000;
    private const int Super = 3;
    private static readonly XhciOptions s_options = new() { Usb2PortCount = 2, Usb3PortCount = 2, SlotCount = 4, PortGates = true };

    [Theory]
    [InlineData(1)]
    [InlineData(Super)]
    public void Nothing_that_the_driver_of_the_registers_does_reaches_a_port_behind_a_closed_gate(int port) => Property.Check(
        Generate.Program(from offset in Gen.Choose(0, 0xF) from value in Generate.Any64 select (offset, value: (uint)value), 20),
        writes =>
        {
            using XhciBench bench = new(s_options);
            bench.Start();
            bench.Attach(new XhciTestDevice { Speed = port == Super ? UsbSpeed.Super : UsbSpeed.High }, port);
            uint before = Gate(bench, PortAt(port));
            Gate(bench, XhciGateOffsets.Gate, 1u << (port - 1));
            foreach ((int offset, uint value) in writes)
                bench.WriteRegister(XhciOperationalOffsets.FirstPort + (4 * offset), value);
            Assert.False(bench.Controller.Ports[port - 1].Passes);
            Assert.True(bench.Port(port) is { Connected: false, Enabled: false, ConnectChange: false });
            Assert.Equal(before, Gate(bench, PortAt(port)));
            bench.Run(false);
            bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
            Assert.Equal(before, Gate(bench, PortAt(port)));
            Gate(bench, XhciGateOffsets.Gate, 0);
            Assert.Equal(before, bench.Port(port).Raw.Value);
            Assert.True(bench.Controller.Ports[port - 1].Passes);
        },
        count: 30);

    [Theory]
    [InlineData(false, false, 1)]
    [InlineData(false, true, 0)]
    [InlineData(true, false, 1)]
    public void A_change_behind_a_closed_gate_becomes_one_event_when_it_opens_unless_it_is_forgotten(bool isHalted, bool forgets, int events)
    {
        using XhciBench bench = new(s_options);
        bench.Start();
        bench.Attach(new XhciTestDevice(), 1);
        _ = bench.Drain();
        bench.WritePort(1, new() { ConnectChange = true, ResetChange = true });
        bench.Run(!isHalted);
        Gate(bench, XhciGateOffsets.Gate, 1);
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Changed));
        _ = bench.Controller.Ports[0].Unplug();
        Assert.Equal(1u, Gate(bench, XhciGateOffsets.Changed));
        Assert.True(new XhciPortStatusControl(new(Gate(bench, PortAt(1)))) is { Connected: false, ConnectChange: true });
        Assert.Empty(bench.Drain());
        if (forgets)
            Gate(bench, XhciGateOffsets.Changed, 1);
        Gate(bench, XhciGateOffsets.Gate, 0);
        bench.Run(true);
        bench.Loop.RunFor(MillisecondNs);
        Assert.Equal(events, bench.Drain().Count(static trb => trb.Type == TrbType.PortStatusChange));
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Changed));
    }

    [Fact]
    public void A_change_that_was_told_is_told_again_only_where_the_host_says_so()
    {
        foreach (bool again in (bool[])[false, true])
        {
            using XhciBench bench = new(s_options);
            bench.Start();
            bench.Attach(new XhciTestDevice(), 1);
            _ = bench.Drain();
            Gate(bench, XhciGateOffsets.Gate, 1);
            if (again)
                Gate(bench, XhciGateOffsets.Report, 3);
            Gate(bench, XhciGateOffsets.Gate, 0);
            Assert.Equal(again ? 1 : 0, bench.Drain().Count);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_device_that_is_ready_again_behind_its_gate_is_heard_when_that_opens(bool isHalted)
    {
        using XhciBench bench = new(s_options);
        bench.Start();
        XhciTestDevice device = new() { Speed = UsbSpeed.Super };
        bool isReady = false;
        device.Gives = (_, _) => isReady ? UsbReply.Data(toggle: false, 512) : UsbReply.Nak;
        (int slot, _, _, XhciTestRing ring) = bench.Bulk(device, Super);
        ulong at = ring.Add(XhciTrbs.Normal(bench.Take(512), 512));
        bench.Doorbell(slot, 3);
        bench.Loop.RunFor(MillisecondNs);
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Busy));
        bench.Run(!isHalted);
        if (!isHalted)
            Gate(bench, XhciGateOffsets.Gate, 1 << (Super - 1));
        isReady = true;
        device.SayReady(UsbPid.In, 1);
        bench.Loop.RunFor(MillisecondNs);
        Assert.Equal(isHalted ? 0u : 1 << (Super - 1), Gate(bench, XhciGateOffsets.Ready));
        Gate(bench, XhciGateOffsets.Gate, 0);
        bench.Run(true);
        Assert.Equal(1u, Gate(bench, XhciGateOffsets.Busy));
        Assert.Equal(CompletionCode.Success, bench.WaitTransfer(at).Code);
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Ready));
    }

    [Fact]
    public void A_port_is_reset_and_suspended_behind_its_gate_as_before_it()
    {
        using XhciBench bench = new(s_options);
        bench.Start();
        XhciTestDevice device = new();
        bench.Controller.Ports[0].Plug(device);
        Gate(bench, XhciGateOffsets.Gate, 1);
        Gate(bench, PortAt(1), new XhciPortStatusControl { Power = true, Reset = true }.Raw.Value);
        bench.Loop.RunFor(60 * MillisecondNs);
        Assert.True(new XhciPortStatusControl(new(Gate(bench, PortAt(1)))) is { Enabled: true, ResetChange: true, LinkState: PortLinkState.U0 });
        Gate(bench, PortAt(1), new XhciPortStatusControl { Power = true, LinkStateStrobe = true, LinkState = PortLinkState.U3 }.Raw.Value);
        Assert.True(device.IsSuspended);
        Gate(bench, PortAt(1) + XhciOperationalOffsets.PortPower, new Usb2PortPower { ResumeLatency = 5 }.Raw.Value);
        Assert.Equal(0ul, bench.ReadRegister(XhciBench.PortAt(1) + XhciOperationalOffsets.PortPower));
        Gate(bench, XhciGateOffsets.Gate, 0);
        Assert.Equal(5, new Usb2PortPower(new((uint)bench.ReadRegister(XhciBench.PortAt(1) + XhciOperationalOffsets.PortPower))).ResumeLatency);
        Gate(bench, XhciGateOffsets.Gate, 1);
        Gate(bench, XhciGateOffsets.Reset, 1);
        Assert.True(new XhciPortStatusControl(new(Gate(bench, PortAt(1)))) is { Connected: true, ConnectChange: true, Enabled: false });
        Assert.Equal(0u, Gate(bench, PortAt(1) + XhciOperationalOffsets.PortPower));
    }

    [Fact]
    public void Only_doublewords_that_exist_do_anything_and_the_frame_index_is_set_only_while_halted()
    {
        using XhciBench bench = new(s_options);
        bench.Start();
        Assert.Equal((XhciGateOffsets.IdValue, 4u), (Gate(bench, XhciGateOffsets.Id), Gate(bench, XhciGateOffsets.Count)));
        bench.Controller.WriteBar(XhciGateOffsets.Bar, XhciGateOffsets.Gate, 1, 1);
        bench.Controller.WriteBar(XhciGateOffsets.Bar, (ulong)PortAt(5), 4, uint.MaxValue);
        Assert.Equal((0u, 0u), (Gate(bench, XhciGateOffsets.Gate), Gate(bench, PortAt(5))));
        Gate(bench, XhciGateOffsets.Index, 0x1234);
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Index));
        bench.Run(false);
        Gate(bench, XhciGateOffsets.Index, 0x1234);
        Assert.Equal((0x1234u, 0x1234ul), (Gate(bench, XhciGateOffsets.Index), bench.ReadRuntime(0)));
        Gate(bench, XhciGateOffsets.Gate, uint.MaxValue);
        Assert.Equal(0xFu, Gate(bench, XhciGateOffsets.Gate));
        bench.Controller.ResetFunction();
        Assert.Equal(0u, Gate(bench, XhciGateOffsets.Gate));
        using XhciBench plain = new();
        Assert.Equal(0ul, plain.Controller.BarSize(XhciGateOffsets.Bar));
    }

    private static int PortAt(int number) => XhciGateOffsets.FirstPort + (XhciGateOffsets.PortStride * (number - 1));

    private static uint Gate(XhciBench bench, int offset) => (uint)bench.Controller.ReadBar(XhciGateOffsets.Bar, (ulong)offset, 4);

    private static void Gate(XhciBench bench, int offset, uint value) => bench.Controller.WriteBar(XhciGateOffsets.Bar, (ulong)offset, 4, value);
}
