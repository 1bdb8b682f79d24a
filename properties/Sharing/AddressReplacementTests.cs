using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Device addresses on a bus that several guests share: none sees, reaches or disturbs a device of another.</summary>
public sealed class AddressReplacementTests
{
    private const ulong MillisecondNs = 1_000_000;

    private enum Kind
    {
        Enumerate,
        Ask,
        Configure,
        BulkIn,
        BulkOut,
        Rename,
        Replug,
        Reset,
        Crash,
        Delay,
        Alternate,
        Cancel,

        // From here on, what no driver should do.
        OnlyResetPort,
        OnlySetAddress,
        ResetPortOfHub,
        GiveUpAddress,
    }

    private static Gen<(Kind Kind, byte Address, byte Other, int Amount)> Step(Kind last) =>
        from kind in Gen.Choose(0, (int)last)
        from address in Gen.Choose(1, 4)
        from other in Gen.Choose(0, 40)
        from amount in Gen.Choose(1, 4)
        select ((Kind)kind, (byte)address, (byte)other, amount);

    private static Gen<AddressAssignment> Assignment => Gen.Elements(AddressAssignment.Dynamic, AddressAssignment.Static);

    [Fact]
    public void Whatever_guests_do_each_packet_reaches_devices_of_its_own_guest_alone() => Property.Check(
        from assignment in Assignment
        from scripts in Generate.Program(Step(Kind.GiveUpAddress), 10).Generator.ArrayOf(3)
        select (assignment, scripts),
        world =>
        {
            using SharedBench bench = new(world.scripts.Length, Options(world.assignment));
            Watch(bench);
            _ = Run(bench, world.scripts, patienceNs: 20 * MillisecondNs);
            Assert.Equal(0, bench.Strays);
        },
        count: 350);

    [Fact]
    public void What_a_guest_sees_is_what_it_sees_when_it_is_alone() => Property.Check(
        from assignment in Assignment
        from scripts in Generate.Program(Step(Kind.Cancel), 8).Generator.ArrayOf(3)
        select (assignment, scripts),
        world =>
        {
            using SharedBench bench = new(world.scripts.Length, Options(world.assignment));
            Watch(bench);
            List<string>[] together = Run(bench, world.scripts);
            for (int number = 0; number < world.scripts.Length; number++)
            {
                using SharedBench alone = new(world.scripts.Length, Options(world.assignment));
                (Kind, byte, byte, int)[][] own = [.. world.scripts.Select((script, index) => index == number ? script : [])];
                Assert.Equal(Run(alone, own)[number], together[number]);
            }
        },
        count: 350);

    [Fact]
    public void Addresses_come_back_when_devices_go()
    {
        using SharedBench bench = new(2, Options(AddressAssignment.Dynamic));
        TaggedDevice[] devices = Plug(bench);
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
        _ = Plug(bench);
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
        _ = Plug(bench);
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
        _ = Plug(bench);
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
        _ = Plug(bench);
        string[] seen = bench.Loop.Run(async () =>
        {
            ScheduleGuest first = Guest(bench, 0), second = Guest(bench, 1);
            _ = await first.ResetPort();
            _ = await first.SetAddress(1);
            _ = await second.ResetPort();
            _ = await second.SetAddress(1);
            return new[] { await first.AskTag(1), await second.AskTag(1) };
        });
        Assert.NotEqual(["done 01", "done 02"], seen);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_address_zero_is_not_one_sets_at_a_time_two_new_devices_answer_at_once(bool isGuarded)
    {
        using SharedBench bench = new(2, new() { Addresses = new() { GuardsAddressZero = isGuarded } });
        _ = Plug(bench);
        int most = 0;
        string[] seen = bench.Loop.Run(async () =>
        {
            ScheduleGuest[] guests = [Guest(bench, 0), Guest(bench, 1)];
            _ = await Task.WhenAll(guests[0].ResetPort(), guests[1].ResetPort());
            most = bench.Controller.Usb.Ports.Count(port => Hears(port, 0));
            return await Task.WhenAll(guests[0].SetAddress(1), guests[1].SetAddress(1));
        });
        Assert.Equal((isGuarded ? 1 : 2, isGuarded), (most, seen.All(outcome => outcome == "done")));
    }

    [Theory]
    [InlineData(AddressAssignment.Dynamic)]
    [InlineData(AddressAssignment.Static)]
    public void Whatever_guests_did_all_addresses_are_free_again_once_their_devices_are_gone(AddressAssignment assignment) => Property.Check(
        Generate.Program(Step(Kind.GiveUpAddress), 10).Generator.ArrayOf(3),
        scripts =>
        {
            using SharedBench bench = new(scripts.Length, Options(assignment));
            _ = Run(bench, scripts, patienceNs: 20 * MillisecondNs);
            foreach (UsbPort port in bench.Controller.Usb.Ports)
                _ = port.Unplug();
            Assert.Equal(0, Taken(bench));
        },
        count: 60);

    [Fact]
    public void Where_addresses_of_devices_that_are_gone_stay_taken_the_bus_runs_out_of_them()
    {
        foreach (bool frees in (bool[])[true, false])
        {
            using SharedBench bench = new(2, new() { Addresses = new() { FreesAddresses = frees, AddressesMax = 3 } });
            TaggedDevice device = Plug(bench)[0];
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
            Assert.Equal(frees ? ("done", 0) : ("halted", 3), (last, Taken(bench)));
        }
    }

    [Fact]
    public void Other_names_of_guests_give_other_addresses_on_the_bus_and_nothing_else() => Property.Check(
        from assignment in Assignment
        from scripts in Generate.Program(Step(Kind.Cancel), 8).Generator.ArrayOf(3)
        from order in Gen.Shuffle<int>([0, 1, 2])
        select (assignment, scripts, order),
        world =>
        {
            using SharedBench bench = new(3, Options(world.assignment)), renamed = new(3, Options(world.assignment));
            List<string>[] before = Run(bench, world.scripts);
            List<string>[] after = Run(renamed, [.. world.order.Select(number => world.scripts[number])]);
            for (int number = 0; number < 3; number++)
            {
                // A device says whose it is by its port.
                string own = $"{number + 1:X2}", other = $"{world.order[number] + 1:X2}";
                Assert.Equal(before[world.order[number]].Select(line => Untagged(line, other)), after[number].Select(line => Untagged(line, own)));
            }

            // On the bus: as many addresses, and the same ones to their drivers.
            Assert.Equal(Known(bench).Select(entry => (Array.IndexOf(world.order, entry.Set), entry.Virtual)).Order(), Known(renamed).Order());
        },
        count: 80);

    [Fact]
    public void Each_token_costs_one_look_at_the_table()
    {
        using SharedBench bench = new(2, Options(AddressAssignment.Dynamic));
        _ = Plug(bench);
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

    private static IEnumerable<(int Set, byte Virtual)> Known(SharedBench bench) =>
        Enumerable.Range(1, 127).Select(real => bench.Controller.AddressEntryOf((byte)real)).Where(entry => entry.State != AddressState.Free).Select(entry => (entry.Set, entry.Virtual));

    private static int Taken(SharedBench bench) => Known(bench).Count();

    private static string Untagged(string line, string tag) => line.Replace($"done {tag}", "done tag", StringComparison.Ordinal).Replace($"to {tag}", "to tag", StringComparison.Ordinal);

    private static SharedEhciOptions Options(AddressAssignment assignment) => new() { Addresses = new() { Assignment = assignment } };

    private static ScheduleGuest Guest(SharedBench bench, int number)
    {
        ScheduleGuest guest = new(bench, number);
        guest.Start();
        return guest;
    }

    private static TaggedDevice[] Plug(SharedBench bench)
    {
        TaggedDevice[] devices = [.. Enumerable.Range(0, bench.SetCount).Select(number => new TaggedDevice((byte)(number + 1)))];
        for (int number = 0; number < devices.Length; number++)
            bench.Controller.Usb.Ports[number].Plug(devices[number]);
        return devices;
    }

    // The truth, from where devices really are plugged in, at each token and each time that address 0 moves.
    private static void Watch(SharedBench bench)
    {
        bool isStatic = bench.Controller.Options.Addresses.Assignment == AddressAssignment.Static;
        int bits = (int)(bench.Managed(EhciManagementOffsets.AddressCapability) >> 4) & 0xF;
        bench.Token = use =>
        {
            if (use.Sent is not { } sent)
                return;
            if (sent.Address != 0)
            {
                AddressEntry entry = bench.Controller.AddressEntryOf(sent.Address);
                Assert.Equal((use.Set, use.Asked.Address), (entry.Set, entry.Virtual));
                Assert.NotEqual(AddressState.Free, entry.State);
                Assert.True(!isStatic || sent.Address == ((use.Set << bits) | use.Asked.Address));
            }

            // No device of another guest hears it.
            for (int port = 0; port < bench.SetCount; port++)
                Assert.True(port == use.Set || !Hears(bench.Controller.Usb.Ports[port], sent.Address), $"{use} is heard at port {port}.");
        };
        bench.ZeroMoved = _ => Assert.True(bench.Controller.Usb.Ports.Count(port => Hears(port, 0)) <= 1);
    }

    private static bool Hears(UsbPort port, byte address) => port is { Passes: true, Device: { } device } && device.Address == address;

    private static List<string>[] Run(SharedBench bench, (Kind, byte, byte, int)[][] scripts, ulong patienceNs = 5_000 * MillisecondNs)
    {
        TaggedDevice[] devices = Plug(bench);
        List<string>[] seen = [.. scripts.Select(_ => new List<string>())];
        bench.Loop.Run(() => Task.WhenAll(scripts.Select((script, number) => Play(bench, number, devices[number], script, seen[number], patienceNs))));
        return seen;
    }

    private static async Task Play(SharedBench bench, int number, TaggedDevice device, (Kind Kind, byte Address, byte Other, int Amount)[] script, List<string> seen, ulong patienceNs)
    {
        ScheduleGuest guest = new(bench, number) { PatienceNs = patienceNs };
        if (script.Length != 0)
            guest.Start();
        foreach ((Kind kind, byte address, byte other, int amount) in script)
            seen.Add($"{kind} {address}: {await Do(bench, number, guest, device, kind, address, other, amount)}");
    }

    private static async Task<string> Do(SharedBench bench, int number, ScheduleGuest guest, TaggedDevice device, Kind kind, byte address, byte other, int amount)
    {
        switch (kind)
        {
            case Kind.Enumerate:
                string reset = await guest.ResetPort();
                string addressed = await guest.SetAddress(address);
                if (addressed != "done")
                    guest.DisablePort();
                return $"{reset}, {addressed}";
            case Kind.Ask:
                return await guest.AskTag(address);
            case Kind.Configure:
                return await guest.Configure(address);
            case Kind.BulkIn:
                return await guest.Bulk(address, isIn: true, 512 * amount);
            case Kind.BulkOut:
                return $"{await guest.Bulk(address, isIn: false, 512 * amount)}, {device.Received}";
            case Kind.Rename:
                return await guest.SetAddress((byte)(1 + (other % 4)), from: address);
            case Kind.Replug:
                _ = bench.Controller.Usb.Ports[number].Unplug();
                if (other % 4 != 0)
                    bench.Controller.Usb.Ports[number].Plug(device);
                return "";
            case Kind.Reset:
                return guest.Reset();
            case Kind.Crash:
                bench.Controller.Interfaces[number].ResetFunction();
                bench.Controller.Interfaces[number].Configuration.Write(0x04, 2, 0b110);
                guest.Start();
                return "";
            case Kind.Delay:
                await bench.Loop.Delay((ulong)amount * SharedBench.MicroframeNs);
                return "";
            case Kind.Alternate:
                return await guest.Alternate(address);
            case Kind.Cancel:
                return await guest.Cancel(address);
            case Kind.OnlyResetPort:
                return await guest.ResetPort();
            case Kind.OnlySetAddress:
                return await guest.SetAddress((byte)(other & 0x7F), from: 0);
            case Kind.ResetPortOfHub:
                return await guest.Control(address, HubBench.Request(StandardRequest.SetFeature, (ushort)PortFeature.Reset, other));
            default:
                return await guest.SetAddress(0, from: address);
        }
    }
}
