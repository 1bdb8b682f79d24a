using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Root ports of both kinds as state machines, and the events that tell of them.</summary>
public sealed class XhciPortTests
{
    private const int Usb2 = 1;
    private const int Usb3 = 5;

    [Fact]
    public void A_high_speed_device_is_seen_polling_and_enabled_by_a_reset()
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new();
        bench.Controller.Ports[Usb2 - 1].Plug(device);
        Assert.True(bench.Port(Usb2) is { Connected: true, Enabled: false, LinkState: PortLinkState.Polling, ConnectChange: true, Speed: PortSpeed.Full });
        Assert.Equal((byte)Usb2, PortOf(Assert.Single(bench.Drain())));
        bench.WritePort(Usb2, new() { Reset = true });
        Assert.True(bench.Port(Usb2) is { Reset: true, Enabled: false });
        bench.Loop.RunFor(49_000_000);
        Assert.True(bench.Port(Usb2).Reset);
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.Port(Usb2) is { Reset: false, ResetChange: true, Enabled: true, LinkState: PortLinkState.U0, Speed: PortSpeed.High });
        Assert.Equal(2, device.Resets);

        // The connect change still stands: there is no second event before all change bits were cleared.
        Assert.Empty(bench.Drain());
        bench.WritePort(Usb2, new() { ConnectChange = true, ResetChange = true });
        Assert.False(bench.Port(Usb2).ConnectChange);
        bench.Controller.Ports[Usb2 - 1].Unplug();
        Assert.True(bench.Port(Usb2) is { Connected: false, Enabled: false, ConnectChange: true, LinkState: PortLinkState.RxDetect });
        _ = Assert.Single(bench.Drain());
    }

    [Fact]
    public void A_SuperSpeed_link_trains_by_itself_and_a_slower_device_is_not_seen()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Controller.Ports[Usb3].Plug(new XhciTestDevice());
        bench.Loop.RunFor(10_000_000);
        Assert.False(bench.Port(Usb3 + 1).Connected);
        bench.Controller.Ports[Usb3 - 1].Plug(new XhciTestDevice { Speed = UsbSpeed.Super });
        Assert.True(bench.Port(Usb3) is { Connected: false, LinkState: PortLinkState.Polling });
        bench.Loop.RunFor(2_000_000);
        Assert.True(bench.Port(Usb3) is { Connected: true, Enabled: true, ConnectChange: true, LinkState: PortLinkState.U0, Speed: PortSpeed.Super });
    }

    [Fact]
    public void A_failed_link_needs_a_warm_reset()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice { Speed = UsbSpeed.Super }, Usb3);
        bench.WritePort(Usb3, new() { Reset = true });
        bench.Loop.RunFor(1_000_000);
        Assert.True(bench.Port(Usb3) is { ResetChange: true, WarmResetChange: false, Enabled: true });
        bench.WritePort(Usb3, new() { ResetChange = true, ConnectChange = true });
        bench.Controller.FailLink(Usb3);
        Assert.True(bench.Port(Usb3) is { Enabled: false, LinkState: PortLinkState.Inactive, LinkStateChange: true });
        bench.WritePort(Usb3, new() { LinkStateStrobe = true, LinkState = PortLinkState.U0 });
        Assert.Equal(PortLinkState.Inactive, bench.Port(Usb3).LinkState);
        bench.WritePort(Usb3, new() { WarmReset = true });
        Assert.True(bench.Port(Usb3) is { Reset: true, WarmReset: false });
        bench.Loop.RunFor(100_000_000);
        Assert.True(bench.Port(Usb3) is { Enabled: true, ResetChange: true, WarmResetChange: true, LinkState: PortLinkState.U0 });
    }

    [Theory]
    [InlineData(UsbSpeed.High, Usb2)]
    [InlineData(UsbSpeed.Super, Usb3)]
    public void A_suspended_device_is_resumed_by_software_or_wakes_by_itself(UsbSpeed speed, int port)
    {
        using XhciBench bench = new();
        bench.Start();
        XhciTestDevice device = new() { Speed = speed };
        bench.Attach(device, port);
        bench.WritePort(port, new() { ConnectChange = true, ResetChange = true, LinkStateStrobe = true, LinkState = PortLinkState.U3 });
        Assert.True(bench.Port(port) is { LinkState: PortLinkState.U3, LinkStateChange: false, Enabled: true });
        Assert.True(device.IsSuspended);
        _ = bench.Drain();

        // Without the strobe nothing is written.
        bench.WritePort(port, new() { LinkState = PortLinkState.U0 });
        Assert.Equal(PortLinkState.U3, bench.Port(port).LinkState);
        device.Port!.SignalWake();
        Assert.True(bench.Port(port) is { LinkState: PortLinkState.Resume, LinkStateChange: true });
        Assert.Equal((byte)port, PortOf(Assert.Single(bench.Drain())));
        if (speed == UsbSpeed.High)
            bench.WritePort(port, new() { LinkStateStrobe = true, LinkState = PortLinkState.U0 });
        bench.Loop.RunFor(2_000_000);
        Assert.Equal(PortLinkState.U0, bench.Port(port).LinkState);
        Assert.False(device.IsSuspended);

        bench.WritePort(port, new() { LinkStateChange = true, LinkStateStrobe = true, LinkState = PortLinkState.U3 });
        if (speed == UsbSpeed.High)
        {
            bench.WritePort(port, new() { LinkStateStrobe = true, LinkState = PortLinkState.Resume });
            Assert.Equal(PortLinkState.Resume, bench.Port(port).LinkState);
            bench.Loop.RunFor(20_000_000);
        }

        bench.WritePort(port, new() { LinkStateStrobe = true, LinkState = PortLinkState.U0 });
        bench.Loop.RunFor(2_000_000);
        Assert.True(bench.Port(port) is { LinkState: PortLinkState.U0, LinkStateChange: true });
    }

    [Theory]
    [InlineData(null, Usb2L1Status.NotSupported)]
    [InlineData(false, Usb2L1Status.NotYet)]
    [InlineData(true, Usb2L1Status.Success)]
    public void A_request_for_L1_is_answered_by_the_device(bool? accepts, Usb2L1Status expected)
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice { AcceptsL1 = accepts }, Usb2);
        bench.WritePort(Usb2, new() { LinkStateStrobe = true, LinkState = PortLinkState.U2 });
        Usb2PortPower power = new(new((uint)bench.ReadRegister(XhciBench.PortAt(Usb2) + XhciOperationalOffsets.PortPower)));
        Assert.Equal(expected, power.L1Status);
        Assert.Equal(accepts == true ? PortLinkState.U2 : PortLinkState.U0, bench.Port(Usb2).LinkState);
        bench.WritePort(Usb2, new() { LinkStateStrobe = true, LinkState = PortLinkState.U0 });
        bench.Loop.RunFor(1_000_000);
        Assert.Equal(PortLinkState.U0, bench.Port(Usb2).LinkState);
    }

    [Theory]
    [InlineData(Usb2)]
    [InlineData(Usb3)]
    public void Power_and_current_are_what_the_options_say(int port)
    {
        using XhciBench bench = new(new() { PortPowerControl = true });
        bench.Start();
        bench.Controller.Ports[port - 1].Plug(new XhciTestDevice { Speed = UsbSpeed.Super });
        bench.Loop.RunFor(2_000_000);
        Assert.True(bench.Port(port) is { Power: false, Connected: false, LinkState: PortLinkState.Disabled });
        bench.WritePort(port, default);
        bench.Loop.RunFor(2_000_000);
        Assert.True(bench.Port(port) is { Power: true, Connected: true });
        bench.Controller.SetOverCurrent(port, isOver: true);
        Assert.True(bench.Port(port) is { Power: false, Connected: false, OverCurrent: true, OverCurrentChange: true });
        bench.Controller.SetOverCurrent(port, isOver: false);
        Assert.True(bench.Port(port) is { OverCurrent: false, OverCurrentChange: true });
    }

    [Fact]
    public void Software_disables_a_port_and_keeps_its_wake_bits()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice(), Usb2);
        bench.WritePort(Usb2, new() { Enabled = true, WakeOnConnect = true, WakeOnOverCurrent = true });
        Assert.True(bench.Port(Usb2) is { Enabled: false, LinkState: PortLinkState.Disabled, Connected: true, WakeOnConnect: true, WakeOnOverCurrent: true, WakeOnDisconnect: false });
        bench.WritePort(Usb2, new() { Reset = true });
        bench.Loop.RunFor(51_000_000);
        Assert.True(bench.Port(Usb2).Enabled);
    }

    [Fact]
    public void Changes_before_the_start_are_told_at_the_start()
    {
        using XhciBench bench = new();
        bench.Controller.Ports[0].Plug(new XhciTestDevice());
        Assert.True(bench.Status.PortChange);
        bench.Start();
        Assert.Equal(1, PortOf(Assert.Single(bench.Drain())));
    }

    [Fact]
    public void A_reset_of_the_controller_forgets_devices_and_a_light_one_keeps_the_ports()
    {
        using XhciBench bench = new();
        bench.Start();
        bench.Attach(new XhciTestDevice(), Usb2);
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { LightReset = true }.Raw.Value);
        Assert.True(bench.Port(Usb2).Enabled);
        Assert.True(bench.Status.Halted);
        bench.WriteRegister(XhciOperationalOffsets.Command, new XhciCommand { Reset = true }.Raw.Value);
        Assert.True(bench.Port(Usb2) is { Enabled: false, Connected: true, ConnectChange: true });
        Assert.Equal(0ul, bench.ReadRegister(XhciOperationalOffsets.Command));
    }

    [Fact]
    public void Firmware_hands_the_controller_over_when_asked()
    {
        using XhciBench bench = new(new() { FirmwareOwned = true });
        ulong at = 4ul * (ulong)new XhciCapabilityParameters1(new((uint)bench.Controller.ReadBar(0, XhciCapabilityOffsets.CapabilityParameters1, 4))).ExtendedCapabilities;
        Assert.True(new XhciLegacySupport(new((uint)bench.Controller.ReadBar(0, at, 4))) is { Id: XhciExtendedId.LegacySupport, FirmwareOwned: true, SystemOwned: false });
        bench.Controller.WriteBar(0, at + 3, 1, 1);
        Assert.True(new XhciLegacySupport(new((uint)bench.Controller.ReadBar(0, at, 4))) is { FirmwareOwned: false, SystemOwned: true });
        Assert.True(new XhciLegacyControl(new((uint)bench.Controller.ReadBar(0, at + 4, 4))).Ownership);
        int found = 0;
        for (ulong next = at; next != 0;)
        {
            XhciExtendedCapability capability = new(new((uint)bench.Controller.ReadBar(0, next, 4)));
            if (capability.Id == XhciExtendedId.SupportedProtocol)
            {
                SupportedProtocol protocol = new(new(bench.Controller.ReadBar(0, next, 8), bench.Controller.ReadBar(0, next + 8, 8)));
                Assert.Equal(SupportedProtocol.UsbName, protocol.Name);
                Assert.Equal(protocol.Major == 2 ? (1, 4) : (5, 4), ((int)protocol.FirstPort, (int)protocol.PortCount));
                found++;
            }

            next = capability.Next == 0 ? 0 : next + (4ul * (ulong)capability.Next);
        }

        Assert.Equal(2, found);
    }

    private static byte PortOf(Dma.UsbDevice.Spec.Trb trb)
    {
        Assert.Equal(TrbType.PortStatusChange, trb.Type);
        return new PortStatusChangeEvent(trb.Raw).Port;
    }
}
