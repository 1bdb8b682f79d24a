using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EhciPortTests
{
    private const ulong MillisecondNs = 1_000_000;

    [Fact]
    public void A_device_is_announced_reset_and_enabled_and_answers_at_address_zero()
    {
        using EhciBench bench = new();
        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        Assert.True(bench.Port() is { Connected: false, Power: true, Owner: false });
        ScriptedDevice device = new();
        bench.Controller.Usb.Ports[0].Plug(device);
        Assert.True(bench.Port() is { Connected: true, ConnectChange: true, Enabled: false, LineState: LineState.JState });
        Assert.True(bench.Status.PortChange);
        bench.WritePort(new() { Power = true, ConnectChange = true });
        Assert.False(bench.Port().ConnectChange);
        Assert.Null(bench.Controller.Usb.Find(0));

        bench.WritePort(new() { Power = true, Reset = true });
        bench.Loop.RunFor(50 * MillisecondNs);
        bench.WritePort(new() { Power = true });
        Assert.True(bench.Port() is { Reset: true, Enabled: false });
        bench.Loop.RunFor(2 * MillisecondNs);
        Assert.True(bench.Port() is { Reset: false, Enabled: true, EnableChange: false });
        Assert.Equal(1, device.Resets);
        Assert.Same(device, bench.Controller.Usb.Find(0));

        Assert.Same(device, bench.Controller.Usb.Ports[0].Unplug());
        Assert.True(bench.Port() is { Connected: false, ConnectChange: true, Enabled: false, EnableChange: false });
        Assert.Null(bench.Controller.Usb.Find(0));
    }

    [Fact]
    public void A_reset_that_is_too_short_is_none_and_a_slow_device_is_left_disabled()
    {
        using EhciBench bench = new();
        ScriptedDevice fast = new();
        ScriptedDevice full = new() { Speed = UsbSpeed.Full };
        ScriptedDevice low = new() { Speed = UsbSpeed.Low };
        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
        bench.Controller.Usb.Ports[0].Plug(fast);
        bench.Controller.Usb.Ports[1].Plug(full);
        bench.Controller.Usb.Ports[2].Plug(low);
        Assert.Equal(LineState.KState, bench.Port(3).LineState);

        bench.WritePort(new() { Power = true, Reset = true });
        bench.Loop.RunFor(MillisecondNs);
        bench.WritePort(new() { Power = true });
        bench.Loop.RunFor(2 * MillisecondNs);
        Assert.True(bench.Port() is { Reset: false, Enabled: false });
        Assert.Equal(0, fast.Resets);

        bench.ResetPort(2);
        Assert.True(bench.Port(2) is { Connected: true, Enabled: false });

        // What is no high-speed device goes to a companion, and comes back when it is pulled out.
        bench.WritePort(new() { Power = true, Owner = true }, 2);
        Assert.True(bench.Port(2) is { Connected: false, Owner: true });
        _ = bench.Controller.Usb.Ports[1].Unplug();
        Assert.False(bench.Port(2).Owner);
    }

    [Fact]
    public void Suspend_stops_packets_until_the_host_resumes_or_the_device_wakes()
    {
        using EhciBench bench = new();
        ScriptedDevice device = new();
        bench.Attach(device);
        bench.WritePort(new() { Power = true, Enabled = true, Suspend = true });
        Assert.True(bench.Port() is { Suspend: true, Enabled: true });
        Assert.True(device.IsSuspended);
        Assert.Null(bench.Controller.Usb.Find(0));

        // Software cannot take suspend back by writing a zero.
        bench.WritePort(new() { Power = true, Enabled = true });
        Assert.True(bench.Port().Suspend);

        device.Port!.SignalWake();
        Assert.True(bench.Port().ForceResume);
        Assert.True(bench.Status.PortChange);
        bench.Loop.RunFor(20 * MillisecondNs);
        bench.WritePort(new() { Power = true, Enabled = true });
        bench.Loop.RunFor(2 * MillisecondNs);
        Assert.True(bench.Port() is { Suspend: false, ForceResume: false, Enabled: true });
        Assert.False(device.IsSuspended);
        Assert.Same(device, bench.Controller.Usb.Find(0));
    }

    [Fact]
    public void Over_current_is_told_and_takes_the_power_where_it_can()
    {
        foreach (bool hasSwitch in (bool[])[false, true])
        {
            using EhciBench bench = new(new() { PortPowerControl = hasSwitch });
            bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
            bench.WritePort(new() { Power = true });
            bench.Controller.Usb.Ports[0].Plug(new ScriptedDevice());
            bench.ResetPort();
            Assert.True(bench.Port().Enabled);
            bench.SetOverCurrent(1, true);
            Assert.True(bench.Port() is { OverCurrent: true, OverCurrentChange: true });
            Assert.Equal(!hasSwitch, bench.Port().Power);
            Assert.Equal(!hasSwitch, bench.Port().Enabled);
            bench.SetOverCurrent(1, false);
            Assert.False(bench.Port().OverCurrent);
        }
    }

    [Fact]
    public void A_port_in_a_test_mode_passes_no_packets_and_lights_are_there_only_where_they_were_built_in()
    {
        using EhciBench bench = new(new() { PortIndicators = true });
        bench.Attach(new ScriptedDevice());
        bench.WritePort(new() { Power = true, Enabled = true, TestMode = 4, Indicator = 2 });
        Assert.True(bench.Port() is { Enabled: true, TestMode: 4, Indicator: 2 });
        Assert.Null(bench.Controller.Usb.Find(0));
        bench.WritePort(new() { Power = true, Enabled = true });
        Assert.NotNull(bench.Controller.Usb.Find(0));
        using EhciBench dark = new();
        dark.WritePort(new() { Power = true, Indicator = 2 });
        Assert.Equal(0, dark.Port().Indicator);
    }

    [Fact]
    public void A_port_becomes_enabled_by_the_end_of_a_reset_alone() => Property.Check(
        Generate.Program(
            from kind in Gen.Choose(0, 9)
            from bits in Gen.Choose(int.MinValue, int.MaxValue)
            from delay in Gen.Elements(0u, 1000u, 3_000_000u, 15_000_000u)
            select (kind, bits, delay),
            40),
        steps =>
        {
            using EhciBench bench = new(new() { PortCount = 1, PortPowerControl = true });
            ScriptedDevice[] devices = [new(), new() { Speed = UsbSpeed.Full }];
            UsbPort socket = bench.Controller.Usb.Ports[0];
            bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, 1);
            foreach ((int kind, int bits, uint delay) in steps)
            {
                PortStatusControl before = bench.Port();
                int resets = devices[0].Resets;
                switch (kind)
                {
                    case 0:
                        _ = socket.Unplug();
                        break;
                    case 1 when socket.Device is null:
                        socket.Plug(devices[bits & 1]);
                        break;
                    case 2:
                        socket.SignalWake();
                        break;
                    case 3:
                        bench.SetOverCurrent(1, (bits & 1) != 0);
                        break;
                    case 4:
                        bench.WriteRegister(EhciOperationalOffsets.ConfigureFlag, (uint)bits & 1);
                        break;
                    case 5:
                        bench.WritePort(new() { Power = true, Reset = (bits & 1) != 0, Enabled = (bits & 2) != 0 });
                        break;
                    default:
                        bench.WritePort(new(new((uint)bits)));
                        break;
                }

                Check(bench, before, resets, devices[0]);
                before = bench.Port();
                bench.Loop.RunFor(delay);
                Check(bench, before, resets, devices[0]);
            }
        },
        count: 300);

    private static void Check(EhciBench bench, PortStatusControl before, int resets, ScriptedDevice device)
    {
        PortStatusControl after = bench.Port();
        if (after.Enabled && !before.Enabled)
            Assert.True(before.Reset && device.Resets == resets + 1, $"{before} became {after}.");
        Assert.True(!after.Enabled || after is { Connected: true, Power: true, Owner: false, Reset: false });
        Assert.True(!after.Suspend || after.Enabled);
        Assert.Equal(after is { Enabled: true, Suspend: false, TestMode: 0 }, bench.Controller.Usb.Find(0) is not null);
    }
}
