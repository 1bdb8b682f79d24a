using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>Device addresses on a bus that several guests share: none sees, reaches or disturbs a device of another.</summary>
public sealed class AddressReplacementTests
{
    private const ulong MillisecondNs = 1_000_000;

    [Fact]
    public void Addresses_come_back_when_devices_go()
    {
        using SharedBench bench = new(2, Options(AddressAssignment.Dynamic));
        TaggedDevice[] devices = bench.PlugTagged();
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = Guest(bench, 0);
            Assert.Equal("enabled", await guest.ResetPort());
            Assert.Equal("done", await guest.SetAddress(7));
            Assert.Equal(new(AddressState.Live, 0, 7), bench.Controller.AddressEntryOf(1));
            _ = bench.Controller.Usb.Ports[0].Unplug();
            Assert.Equal(AddressState.Free, bench.Controller.AddressEntryOf(1).State);
            bench.Controller.Usb.Ports[0].Plug(devices[0]);

            // A stale number leads nowhere, though a device is back.
            Assert.Equal("halted", await guest.AskTag(7));
            Assert.Equal("enabled", await guest.ResetPort());
            Assert.Equal("done", await guest.SetAddress(7));

            // A port that its driver resets or shuts frees what was behind it.
            Assert.Equal("enabled", await guest.ResetPort());
            Assert.Equal(AddressState.Free, bench.Controller.AddressEntryOf(1).State);
            Assert.Equal("done", await guest.SetAddress(7));
            guest.DisablePort();
            Assert.Equal(AddressState.Free, bench.Controller.AddressEntryOf(1).State);
            Assert.Equal("enabled", await guest.ResetPort());
            Assert.Equal("done", await guest.SetAddress(7));
            Assert.Equal("done", await guest.SetAddress(9, from: 7));
            Assert.Equal("halted", await guest.AskTag(7));
            Assert.Equal("done 01", await guest.AskTag(9));
            bench.Controller.Interfaces[0].ResetFunction();
            Assert.All(Enumerable.Range(1, 127), real => Assert.Equal(AddressState.Free, bench.Controller.AddressEntryOf((byte)real).State));
        });
    }

    [Fact]
    public void A_bus_without_free_addresses_leaves_a_device_in_the_default_state()
    {
        using SharedBench bench = new(2, new() { Addresses = new() { AddressesMax = 1, Assignment = AddressAssignment.Static } });
        _ = bench.PlugTagged();
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = Guest(bench, 1);
            Assert.Equal("enabled", await guest.ResetPort());

            // Two sets have six bits each: 64 is not theirs to give.
            Assert.Equal("halted", await guest.SetAddress(64));
            Assert.Equal("done", await guest.SetAddress(63));
            Assert.Equal(new(AddressState.Live, 1, 63), bench.Controller.AddressEntryOf(127));
            Assert.Equal("halted", await guest.SetAddress(5, from: 63));
            Assert.Equal("done 02", await guest.AskTag(63));
        });
        Assert.Equal(6ul, bench.Controller.Addresses!.Refused);
    }

    [Fact]
    public void Guests_wait_for_address_zero_in_line_and_one_that_keeps_it_loses_its_port()
    {
        using SharedBench bench = new(3, new() { Addresses = new() { AddressZeroNsMax = 50 * MillisecondNs } });
        _ = bench.PlugTagged();
        List<int> owners = [];
        bench.ZeroMoved = owners.Add;
        bench.Loop.Run(async () =>
        {
            ScheduleGuest[] guests = [Guest(bench, 0), Guest(bench, 1), Guest(bench, 2)];
            Assert.Equal("enabled", await guests[0].ResetPort());
            Assert.Equal(["enabled", "enabled"], await Task.WhenAll(guests[1].ResetPort(), guests[2].ResetPort()));

            // The first guest does not go on: the others' devices are held, until its time is over.
            Assert.Same(bench.Controller.Usb.Ports[0].Device, bench.Controller.Usb.Find(0));
            Assert.Equal(["done", "done"], await Task.WhenAll(guests[1].SetAddress(1), guests[2].SetAddress(1)));
            Assert.Equal(["done 02", "done 03"], await Task.WhenAll(guests[1].AskTag(1), guests[2].AskTag(1)));
            PortStatusControl shut = new(new(bench.Register(0, EhciOperationalOffsets.FirstPort)));
            Assert.True(shut is { Connected: true, Enabled: false, EnableChange: true });
            Assert.Equal("halted", await guests[0].SetAddress(1));
        });
        Assert.Equal([0, 1, 2, -1], owners);
        Assert.Equal((2ul, 1ul), (bench.Controller.Addresses!.Waits, bench.Controller.Addresses.Expiries));
    }

    [Fact]
    public void Without_replacement_two_guests_with_the_same_number_collide()
    {
        using SharedBench bench = new(2, new() { Addresses = new() { IsOn = false } });
        _ = bench.PlugTagged();
        Assert.Equal(["done 01", "halted", "halted"], bench.Loop.Run(async () =>
        {
            ScheduleGuest first = Guest(bench, 0), second = Guest(bench, 1);
            _ = await first.ResetPort();
            _ = await first.SetAddress(1);
            string before = await first.AskTag(1);
            _ = await second.ResetPort();
            _ = await second.SetAddress(1);
            return new[] { before, await first.AskTag(1), await second.AskTag(1) };
        }));
    }

    [Fact]
    public void A_set_address_that_is_not_rewritten_leaves_the_device_where_nobody_looks_for_it()
    {
        using SharedBench bench = new(2, new() { Addresses = new() { RewritesSetup = false } });
        _ = bench.PlugTagged();
        string[] seen = bench.Loop.Run(async () =>
        {
            ScheduleGuest first = Guest(bench, 0), second = Guest(bench, 1);
            _ = await first.ResetPort();
            _ = await first.SetAddress(1);
            _ = await second.ResetPort();
            _ = await second.SetAddress(1);
            return new[] { await first.AskTag(1), await second.AskTag(1) };
        });
        Assert.Equal(["halted", "halted"], seen);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_address_zero_is_not_one_sets_at_a_time_two_new_devices_answer_at_once(bool isGuarded)
    {
        using SharedBench bench = new(2, new() { Addresses = new() { GuardsAddressZero = isGuarded } });
        _ = bench.PlugTagged();
        int most = 0;
        string[] seen = bench.Loop.Run(async () =>
        {
            ScheduleGuest[] guests = [Guest(bench, 0), Guest(bench, 1)];
            _ = await Task.WhenAll(guests[0].ResetPort(), guests[1].ResetPort());
            most = bench.Controller.Usb.Ports.Count(port => SharedBench.Hears(port, 0));
            return await Task.WhenAll(guests[0].SetAddress(1), guests[1].SetAddress(1));
        });
        Assert.Equal((isGuarded ? 1 : 2, isGuarded), (most, seen.All(outcome => outcome == "done")));
    }

    [Fact]
    public void Where_addresses_of_devices_that_are_gone_stay_taken_the_bus_runs_out_of_them()
    {
        foreach (bool frees in (bool[])[true, false])
        {
            using SharedBench bench = new(2, new() { Addresses = new() { FreesAddresses = frees, AddressesMax = 3 } });
            TaggedDevice device = bench.PlugTagged()[0];
            string last = bench.Loop.Run(async () =>
            {
                ScheduleGuest guest = Guest(bench, 0);
                string outcome = "";
                for (byte address = 1; address <= 4; address++)
                {
                    _ = await guest.ResetPort();
                    outcome = await guest.SetAddress(address);
                    _ = bench.Controller.Usb.Ports[0].Unplug();
                    bench.Controller.Usb.Ports[0].Plug(device);
                }

                return outcome;
            });
            Assert.Equal(frees ? ("done", 0) : ("halted", 3), (last, bench.TakenAddresses));
        }
    }

    [Fact]
    public void Each_token_costs_one_look_at_the_table()
    {
        using SharedBench bench = new(2, Options(AddressAssignment.Dynamic));
        _ = bench.PlugTagged();
        ulong tokens = 0;
        bench.Token = _ => tokens++;
        bench.Loop.Run(async () =>
        {
            ScheduleGuest guest = Guest(bench, 0);
            _ = await guest.ResetPort();
            _ = await guest.SetAddress(3);
            _ = await guest.Configure(3);
            Assert.Equal("done 01 to 01", await guest.Bulk(3, isIn: true, 10_240));
        });
        Assert.True(tokens > 20);
        Assert.Equal(tokens, bench.Controller.Addresses!.Lookups);
    }

    private static SharedEhciOptions Options(AddressAssignment assignment) => new() { Addresses = new() { Assignment = assignment } };

    private static ScheduleGuest Guest(SharedBench bench, int number)
    {
        ScheduleGuest guest = new(bench, number);
        guest.Start();
        return guest;
    }
}
