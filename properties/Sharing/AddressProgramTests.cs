using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests on a bus whose device addresses are replaced.</summary>
public sealed class AddressProgramTests
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

    private static Gen<SharedEhciOptions> Options =>
        from assignment in Gen.Elements(AddressAssignment.Dynamic, AddressAssignment.Static)
        from policy in Gen.Elements(Enum.GetValues<SharingPolicy>())
        select OptionsOf(assignment) with { Policy = policy };

    [Fact]
    public void Whatever_guests_do_each_packet_reaches_devices_of_its_own_guest_alone() => Property.Check(
        from options in Options
        from scripts in Generate.Program(Step(Kind.GiveUpAddress), 10).Generator.ArrayOf(3)
        select (options, scripts),
        world =>
        {
            using SharedBench bench = new(world.scripts.Length, world.options);
            _ = new AddressWatch(bench);
            _ = Run(bench, world.scripts, patienceNs: 20 * MillisecondNs);
            Assert.Equal(0, bench.Strays);
        },
        count: 350);

    [Fact]
    public void What_a_guest_sees_is_what_it_sees_when_it_is_alone() => Property.Check(
        from options in Options
        from scripts in Generate.Program(Step(Kind.Cancel), 8).Generator.ArrayOf(3)
        select (options, scripts),
        world =>
        {
            using SharedBench bench = new(world.scripts.Length, world.options);
            _ = new AddressWatch(bench);
            List<string>[] together = Run(bench, world.scripts);
            for (int number = 0; number < world.scripts.Length; number++)
            {
                using SharedBench alone = new(world.scripts.Length, world.options);
                (Kind, byte, byte, int)[][] own = [.. world.scripts.Select((script, index) => index == number ? script : [])];
                Assert.Equal(Run(alone, own)[number], together[number]);
            }
        },
        count: 350);

    [Theory]
    [InlineData(AddressAssignment.Dynamic)]
    [InlineData(AddressAssignment.Static)]
    public void Whatever_guests_did_all_addresses_are_free_again_once_their_devices_are_gone(AddressAssignment assignment) => Property.Check(
        Generate.Program(Step(Kind.GiveUpAddress), 10).Generator.ArrayOf(3),
        scripts =>
        {
            using SharedBench bench = new(scripts.Length, OptionsOf(assignment));
            _ = Run(bench, scripts, patienceNs: 20 * MillisecondNs);
            foreach (UsbPort port in bench.Controller.Usb.Ports)
                _ = port.Unplug();
            Assert.Equal(0, bench.TakenAddresses);
        },
        count: 60);

    [Fact]
    public void Other_names_of_guests_give_other_addresses_on_the_bus_and_nothing_else() => Property.Check(
        from options in Options
        from scripts in Generate.Program(Step(Kind.Cancel), 8).Generator.ArrayOf(3)
        from order in Gen.Shuffle<int>([0, 1, 2])
        select (options, scripts, order),
        world =>
        {
            using SharedBench bench = new(3, world.options), renamed = new(3, world.options);
            List<string>[] before = Run(bench, world.scripts);
            List<string>[] after = Run(renamed, [.. world.order.Select(number => world.scripts[number])]);
            for (int number = 0; number < 3; number++)
            {
                // A device says whose it is by its port.
                string own = $"{number + 1:X2}", other = $"{world.order[number] + 1:X2}";
                Assert.Equal(before[world.order[number]].Select(line => Untagged(line, other)), after[number].Select(line => Untagged(line, own)));
            }

            // On the bus: as many addresses, and the same ones to their drivers.
            Assert.Equal(bench.KnownAddresses.Select(entry => (Array.IndexOf(world.order, entry.Set), entry.Virtual)).Order(), renamed.KnownAddresses.Order());
        },
        count: 80);

    private static string Untagged(string line, string tag) => line.Replace($"done {tag}", "done tag", StringComparison.Ordinal).Replace($"to {tag}", "to tag", StringComparison.Ordinal);

    private static List<string>[] Run(SharedBench bench, (Kind, byte, byte, int)[][] scripts, ulong patienceNs = 5_000 * MillisecondNs)
    {
        TaggedDevice[] devices = bench.PlugTagged();
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

    private static SharedEhciOptions OptionsOf(AddressAssignment assignment) => new() { Addresses = new() { Assignment = assignment } };
}
