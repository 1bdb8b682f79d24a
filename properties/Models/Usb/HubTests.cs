using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class HubTests
{
    private const ulong MillisecondNs = HubBench.MillisecondNs;

    [Fact]
    public void A_hub_says_what_it_is_at_both_speeds()
    {
        HubBench bench = new(new() { PortCount = 9, HasManyTranslators = true, ThinkTime = 2, HasIndicators = true, BuiltIn = 0b10_0000_0010 });
        byte[] device = bench.Host.Control(new() { In = true, Request = 6, Value = 0x100, Length = 18 })!;
        Assert.Equal((9, 2, 0x0200), (device[4], device[6], device[2] | (device[3] << 8)));
        byte[] configuration = bench.Host.Control(new() { In = true, Request = 6, Value = 0x200, Length = 255 })!;
        Assert.Equal(9 + (2 * (9 + 7)), configuration.Length);
        Assert.Equal((1, 2), (configuration[9 + 7], configuration[9 + 16 + 7]));

        // Nine ports take two bytes: of the status bitmap, and of each bitmap of the descriptor.
        byte[] hub = bench.Host.Control(new() { In = true, Type = RequestType.Class, Request = 6, Value = 0x2900, Length = 71 })!;
        Assert.Equal([11, 0x29, 9, 0xCD, 0, 10, 100, 0x02, 0x02, 0xFF, 0xFF], hub);
        Assert.Equal(2, configuration[9 + 9 + 4]);

        // What it would be at the other speed: no translator there.
        byte[] qualifier = bench.Host.Control(new() { In = true, Request = 6, Value = 0x600, Length = 10 })!;
        Assert.Equal((9, 0), (qualifier[4], qualifier[6]));
        byte[] other = bench.Host.Control(new() { In = true, Request = 6, Value = 0x700, Length = 255 })!;
        Assert.Equal((7, 9 + 9 + 7, 255), (other[1], other.Length, other[^1]));

        // On a bus of full speed it is that.
        UsbTestHost slow = new(new UsbHub(new(), new() { PortCount = 4 }), UsbSpeed.Full);
        Assert.Equal(0, slow.Control(new() { In = true, Request = 6, Value = 0x100, Length = 18 })![6]);
    }

    [Fact]
    public void A_port_goes_from_off_to_enabled_and_each_change_is_told_until_it_is_cleared()
    {
        HubBench bench = new();
        ScriptedDevice device = new() { Speed = UsbSpeed.Low };
        bench.Hub.Downstream[1].Plug(device);
        Assert.Equal(default, bench.Status(2));
        Assert.Null(bench.Changes());

        // Power, and twenty milliseconds later the device shows.
        Assert.True(bench.Set(PortFeature.Power, 2));
        Assert.True(bench.Status(2) is { Powered: true, Connected: false });
        bench.Loop.RunFor((20 * MillisecondNs) - 1);
        Assert.False(bench.Status(2).Connected);
        bench.Loop.RunFor(1);
        Assert.True(bench.Status(2) is { Connected: true, ConnectionChange: true, LowSpeed: true, Enabled: false });
        Assert.Equal([0b100], bench.Changes());
        Assert.True(bench.Clear(PortFeature.ConnectionChange, 2));
        Assert.Null(bench.Changes());

        // Ten milliseconds of reset.
        Assert.True(bench.Set(PortFeature.Reset, 2));
        bench.Loop.RunFor((10 * MillisecondNs) - 1);
        Assert.True(bench.Status(2) is { Resetting: true, Enabled: false });
        int resets = device.Resets;
        bench.Loop.RunFor(1);
        Assert.True(bench.Status(2) is { Resetting: false, Enabled: true, LowSpeed: true, HighSpeed: false, ResetChange: true });
        Assert.Equal(resets + 1, device.Resets);
        Assert.Equal([0b100], bench.Changes());

        _ = bench.Hub.Downstream[1].Unplug();
        Assert.True(bench.Status(2) is { Connected: false, ConnectionChange: true, Enabled: false, LowSpeed: false, Powered: true });
        Assert.True(bench.Clear(PortFeature.Power, 2));
        Assert.Equal(default, bench.Status(2));
    }

    [Theory]
    [InlineData(UsbSpeed.Low)]
    [InlineData(UsbSpeed.High)]
    public void A_port_that_is_shut_while_its_device_is_reset_stays_shut_and_the_device_has_no_address(UsbSpeed speed)
    {
        HubBench bench = new();
        ScriptedDevice device = new() { Address = 9, Speed = speed };
        bench.Attach(device);
        Assert.True(bench.Set(PortFeature.Reset, 1));
        bench.Loop.RunFor(MillisecondNs);
        int resets = device.Resets;
        Assert.True(bench.Clear(PortFeature.Enable, 1));
        Assert.Equal(resets + 1, device.Resets);
        Assert.True(bench.Status(1) is { Connected: true, Resetting: false, Enabled: false, HighSpeed: false, ResetChange: false });
        Assert.Equal(speed == UsbSpeed.Low, bench.Status(1).LowSpeed);

        // What would have been its end comes and goes.
        bench.Loop.RunFor(20 * MillisecondNs);
        Assert.False(bench.Status(1).Enabled);
        Assert.Null(bench.Host.Bus.Find(device.Address));

        // The next one is whole.
        Assert.True(bench.Set(PortFeature.Reset, 1));
        bench.Loop.RunFor((10 * MillisecondNs) - 1);
        Assert.False(bench.Status(1).Enabled);
        bench.Loop.RunFor(1);
        Assert.True(bench.Status(1).Enabled);
    }

    [Fact]
    public void A_high_speed_device_hears_the_bus_above_and_a_slower_one_only_the_translator()
    {
        HubBench bench = new();
        ScriptedDevice high = new() { Address = 10 };
        ScriptedDevice full = new() { Address = 11, Speed = UsbSpeed.Full };
        bench.Attach(high, 1);
        bench.Attach(full, 2);
        Assert.True(bench.Status(1).HighSpeed);
        Assert.False(bench.Status(2).HighSpeed);
        Assert.Same(high, bench.Host.Bus.Find(10));
        Assert.Null(bench.Host.Bus.Find(11));
        Assert.Same(full, bench.Hub.TranslatedBus(2).Find(11));
        Assert.Null(bench.Hub.TranslatedBus(2).Find(10));

        // Behind a hub that talks at full speed, everybody hears the bus above, at full speed.
        HubBench slow = new(new() { Speed = UsbSpeed.Full });
        ScriptedDevice fast = new() { Address = 12 };
        slow.Attach(fast);
        Assert.True(slow.Status(1) is { HighSpeed: false, LowSpeed: false });
        Assert.Equal(UsbSpeed.Full, fast.Port!.Speed);
        Assert.Same(fast, slow.Host.Bus.Find(12));
    }

    [Fact]
    public void Suspend_and_resume_take_their_time_and_a_device_may_end_its_own()
    {
        HubBench bench = new();
        ScriptedDevice device = new() { Address = 9 };
        bench.Attach(device);
        for (int round = 0; round < 2; round++)
        {
            Assert.True(bench.Set(PortFeature.Suspend, 1));
            Assert.True(bench.Status(1) is { Suspended: true, Enabled: true, SuspendChange: false });
            Assert.True(device.IsSuspended);
            Assert.Null(bench.Host.Bus.Find(9));
            if (round == 0)
                Assert.True(bench.Clear(PortFeature.Suspend, 1));
            else
                device.Port!.SignalWake();
            bench.Loop.RunFor((20 * MillisecondNs) - 1);
            Assert.True(bench.Status(1).Suspended);
            bench.Loop.RunFor(1);
            Assert.True(bench.Status(1) is { Suspended: false, SuspendChange: true, Enabled: true });
            Assert.False(device.IsSuspended);
            Assert.Same(device, bench.Host.Bus.Find(9));
            Assert.True(bench.Clear(PortFeature.SuspendChange, 1));
        }
    }

    [Fact]
    public void A_suspended_hub_lets_everything_below_sleep_and_passes_resume_up()
    {
        // The outer hub is awake and holds the inner one suspended; a device below the inner one wakes both.
        HubBench bench = new();
        UsbHub inner = new(bench.Loop);
        bench.Attach(inner);
        ScriptedDevice device = new() { Address = 20 };
        HubBenchOf(bench, inner, device);
        Assert.Same(device, bench.Host.Bus.Find(20));
        Assert.True(bench.Set(PortFeature.Suspend, 1));
        Assert.True(inner.IsSuspended && device.IsSuspended);
        device.Port!.SignalWake();
        bench.Loop.RunFor(20 * MillisecondNs);
        Assert.True(bench.Status(1) is { Suspended: false, SuspendChange: true });
        Assert.False(inner.IsSuspended || device.IsSuspended);
        Assert.Same(device, bench.Host.Bus.Find(20));

        // Of a plug the host hears only where it asked for it.
        foreach (bool mayWake in (bool[])[false, true])
        {
            Assert.True(bench.Clear(PortFeature.SuspendChange, 1));
            Assert.NotNull(ControlAt(bench, 7, new() { Request = (byte)(mayWake ? StandardRequest.SetFeature : StandardRequest.ClearFeature), Value = 1 }));
            Assert.True(bench.Set(PortFeature.Suspend, 1));
            if (inner.Downstream[1].Unplug() is null)
                inner.Downstream[1].Plug(new ScriptedDevice());
            bench.Loop.RunFor(20 * MillisecondNs);
            Assert.Equal(mayWake, bench.Status(1).SuspendChange);
            Assert.True(bench.Clear(PortFeature.Suspend, 1));
            bench.Loop.RunFor(20 * MillisecondNs);
        }
    }

    [Fact]
    public void Over_current_takes_the_power_and_babble_shuts_the_port()
    {
        HubBench bench = new();
        bench.Attach(new ScriptedDevice { Address = 9 });
        bench.Hub.Downstream[0].ReportBabble();
        Assert.True(bench.Status(1) is { Enabled: false, EnableChange: true, Connected: true });
        Assert.True(bench.Clear(PortFeature.EnableChange, 1));
        bench.Hub.SetOverCurrent(1, true);
        Assert.True(bench.Status(1) is { OverCurrent: true, OverCurrentChange: true, Powered: false, Connected: false });
        Assert.True(bench.Set(PortFeature.Power, 1));
        Assert.False(bench.Status(1).Powered);
        Assert.Equal([0b10], bench.Changes());
        bench.Hub.SetOverCurrent(1, false);
        Assert.True(bench.Clear(PortFeature.OverCurrentChange, 1));
        Assert.True(bench.Set(PortFeature.Power, 1));
        Assert.True(bench.Status(1) is { OverCurrent: false, Powered: true });
        bench.Hub.SetLocalPower(isLost: true);
        Assert.Equal([0b1], bench.Changes());
        byte[] status = bench.Host.Control(new() { In = true, Type = RequestType.Class, Length = 4 })!;
        Assert.True(Packed.Read<HubStatus>(status) is { LocalPowerLost: true, LocalPowerChange: true, OverCurrent: false });
        Assert.NotNull(bench.Host.Control(new() { Type = RequestType.Class, Request = 1, Value = 0 }));
        Assert.Null(bench.Changes());
    }

    [Fact]
    public void What_no_hub_can_do_is_refused()
    {
        HubBench bench = new();
        Assert.False(bench.Set(PortFeature.Enable, 1));
        Assert.False(bench.Set(PortFeature.Connection, 1));
        Assert.False(bench.Set(PortFeature.ResetChange, 1));
        Assert.False(bench.Set(PortFeature.Indicator, 1, selector: 1));
        Assert.False(bench.Clear(PortFeature.Reset, 1));
        Assert.False(bench.Clear(PortFeature.LowSpeed, 1));
        Assert.False(bench.Set(PortFeature.Power, 0));
        Assert.False(bench.Set(PortFeature.Power, 5));
        Assert.Null(bench.Host.Control(HubBench.Request(HubRequest.StopTt, 0, 5)));
        Assert.Null(bench.Host.Control(HubBench.Request((StandardRequest)77, 0, 1)));

        // In a state in which they are out of place they pass without effect.
        Assert.True(bench.Set(PortFeature.Reset, 1));
        Assert.True(bench.Set(PortFeature.Suspend, 1));
        Assert.True(bench.Clear(PortFeature.Suspend, 1));
        Assert.Equal(default, bench.Status(1));
        HubBench idle = new(isConfigured: false);
        Assert.False(idle.Set(PortFeature.Power, 1));
        HubBench slow = new(new() { Speed = UsbSpeed.Full });
        Assert.Null(slow.Host.Control(HubBench.Request(HubRequest.ResetTt, 0, 1)));
    }

    [Fact]
    public void No_program_of_requests_and_plugs_enables_a_port_without_a_reset_or_leaves_a_change_untold() => Property.Check(
        Generate.Program(
            from kind in Gen.Choose(0, 9)
            from feature in Gen.Elements(Enum.GetValues<PortFeature>())
            from port in Gen.Choose(1, 2)
            from delay in Gen.Elements(0u, 1_000_000u, 12_000_000u, 40_000_000u)
            select (kind, feature, port, delay),
            40),
        steps =>
        {
            HubBench bench = new(new() { PortCount = 2, HasIndicators = true });
            ScriptedDevice[] devices = [new() { Address = 9 }, new() { Speed = UsbSpeed.Full, Address = 9 }, new() { Speed = UsbSpeed.Low, Address = 9 }];
            foreach ((int kind, PortFeature feature, int port, uint delay) in steps)
            {
                UsbPort socket = bench.Hub.Downstream[port - 1];
                HubPortStatus before = bench.Hub.StatusOf(port);
                int resets = devices.Sum(device => device.Resets);
                switch (kind)
                {
                    case 0:
                        _ = socket.Unplug();
                        break;
                    case 1 when socket.Device is null && Array.Find(devices, device => device.Port is null) is { } free:
                        socket.Plug(free);
                        break;
                    case 2:
                        bench.Hub.SetOverCurrent(port, delay == 0);
                        break;
                    case 3:
                        socket.SignalWake();
                        break;
                    case 4 or 5:
                        _ = bench.Clear(feature, port);
                        break;
                    case 6:
                        _ = bench.Set(PortFeature.Reset, port);
                        break;
                    default:
                        _ = bench.Set(feature, port, selector: (int)delay & 3);
                        break;
                }

                bench.Loop.RunFor(delay);
                HubPortStatus after = bench.Status(port);
                Assert.Equal(bench.Hub.StatusOf(port), after);
                if (after.Enabled && !before.Enabled)
                    Assert.True(devices.Sum(device => device.Resets) > resets && after.ResetChange, $"{before} became {after}.");
                Assert.True(!after.Enabled || after is { Connected: true, Powered: true, Resetting: false, OverCurrent: false });
                Assert.True(!after.Suspended || after.Enabled);
                Assert.True(!after.Connected || (after.Powered && socket.Device is not null));
                Assert.Equal(after is { Enabled: true, Suspended: false, Testing: false }, socket.Passes);
                byte told = bench.Changes() is { } bytes ? bytes[0] : (byte)0;
                Assert.Equal((after.Raw.Value >> 16) != 0, (told >> port & 1) != 0);
            }
        },
        count: 150);

    // Configures the inner hub at address 7 over the outer one's bus, and attaches a high-speed device to its first port.
    private static void HubBenchOf(HubBench bench, UsbHub inner, ScriptedDevice device)
    {
        Assert.NotNull(ControlAt(bench, 0, new() { Request = (byte)StandardRequest.SetAddress, Value = 7 }));
        Assert.NotNull(ControlAt(bench, 7, new() { Request = (byte)StandardRequest.SetConfiguration, Value = 1 }));
        inner.Downstream[0].Plug(device);
        foreach (int port in (int[])[1, 2])
            Assert.NotNull(ControlAt(bench, 7, HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Power, port)));
        bench.Loop.RunFor(100 * MillisecondNs);
        Assert.NotNull(ControlAt(bench, 7, HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, 1)));
        bench.Loop.RunFor(20 * MillisecondNs);
    }

    private static byte[]? ControlAt(HubBench bench, byte address, SetupPacket setup) => bench.Host.At(address, () => bench.Host.Control(setup));
}
