using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests, each with a hub, a slow device and a fast one behind it, on a bus whose device addresses are replaced.</summary>
/// <remarks>All guests give their hubs and devices the same few addresses.</remarks>
public sealed class AddressHubPrograms
{
    private const ulong MillisecondNs = 1_000_000;
    private const int Slow = 1;
    private const int Fast = 2;

    private enum Kind
    {
        EnumerateHub,
        Enumerate,
        Ask,
        Bulk,
        Report,
        ShutPort,
        ReplugHub,
        ReplugDevice,
        Rename,
        Reset,
        Crash,
        Delay,

        // From here on, what no driver should do.
        WrongHub,
        OnlyResetPort,
        OnlySetAddress,
    }

    // With this most scripts begin, so that there is something to talk to.
    private static readonly Step[] s_begin = [new(Kind.EnumerateHub, Slow, 1, 0), new(Kind.Enumerate, Slow, 1, 0), new(Kind.Enumerate, Fast, 1, 0)];

    private static Gen<Step> Steps(bool isHonest) =>
        from kind in Gen.Frequency(
            (3, Gen.Constant(Kind.EnumerateHub)),
            (5, Gen.Constant(Kind.Enumerate)),
            (4, Gen.Constant(Kind.Ask)),
            (3, Gen.Constant(Kind.Bulk)),
            (4, Gen.Constant(Kind.Report)),
            (5, Gen.Choose((int)Kind.ShutPort, (int)(isHonest ? Kind.Delay : Kind.OnlySetAddress)).Select(kind => (Kind)kind)))
        from port in Gen.Choose(Slow, Fast)
        from hub in Gen.Choose(1, 2)
        from other in Gen.Choose(0, 4)
        select new Step(kind, (byte)port, (byte)hub, (byte)other);

    private static Arbitrary<World> Worlds(bool isHonest)
    {
        Arbitrary<Step[]> programs = Generate.Program(Steps(isHonest), 8);
        Gen<Step[]> scripts = from steps in programs.Generator
                              from isReady in Gen.Frequency((3, Gen.Constant(true)), (1, Gen.Constant(false)))
                              select isReady ? [.. s_begin, .. steps] : steps;
        return Arb.From(
            from assignment in Gen.Elements(AddressAssignment.Dynamic, AddressAssignment.Static)
            from policy in Gen.Elements(Enum.GetValues<SharingPolicy>())
            from hasMany in Gen.Elements(true, false)
            from all in scripts.ArrayOf(3)
            select new World(assignment, policy, hasMany, all),
            world => world.Scripts.SelectMany((script, number) => programs.Shrinker(script).Select(shorter => world with { Scripts = [.. world.Scripts.Select((one, at) => at == number ? shorter : one)] })));
    }

    [Fact]
    public void Each_packet_and_each_split_reaches_devices_of_its_own_guest_alone()
    {
        (int starts, int completes, int reports) = (0, 0, 0);
        Property.Check(
            Worlds(isHonest: false),
            world =>
            {
                using SharedBench bench = new(world.Scripts.Length, world.Options);
                AddressWatch watch = new(bench);
                _ = Run(bench, world, patienceNs: 100 * MillisecondNs);
                Assert.Equal(0, bench.Strays);
                starts += watch.Splits[0];
                completes += watch.Splits[1];
                reports += watch.Reports;
            },
            count: 100);
        Assert.True(starts > 500 && completes > 500 && reports > 50, $"{starts}, {completes}, {reports}");
    }

    [Fact]
    public void What_a_guest_sees_behind_its_hub_is_what_it_sees_when_it_is_alone()
    {
        List<string> seen = [];
        Property.Check(
            Worlds(isHonest: true),
            world =>
            {
                using SharedBench bench = new(world.Scripts.Length, world.Options);
                _ = new AddressWatch(bench);
                List<string>[] together = Run(bench, world);
                for (int number = 0; number < world.Scripts.Length; number++)
                {
                    using SharedBench alone = new(world.Scripts.Length, world.Options);
                    World own = world with { Scripts = [.. world.Scripts.Select((script, index) => index == number ? script : [])] };
                    Assert.Equal(Run(alone, own)[number], together[number]);
                    seen.AddRange(together[number]);
                }
            },
            count: 60);

        // Both devices answered, to each kind of transfer.
        foreach (string what in (string[])[$"{Kind.Ask} {Slow}", $"{Kind.Ask} {Fast}", $"{Kind.Bulk} {Slow}", $"{Kind.Report} {Slow}", $"{Kind.Report} {Fast}"])
            Assert.True(seen.Count(line => line.StartsWith(what, StringComparison.Ordinal) && line.Contains("done 0", StringComparison.Ordinal)) > 5, what);
    }

    [Fact]
    public void Where_the_hub_of_a_split_is_forgotten_a_token_reaches_the_hub_of_another_guest()
    {
        Step[] script = [.. s_begin, new(Kind.Ask, Slow, 1, 0)];
        foreach (bool replaces in (bool[])[true, false])
        {
            World world = new(AddressAssignment.Dynamic, SharingPolicy.DeficitRoundRobin, false, [script, script]);
            using SharedBench bench = new(2, world.Options with { Addresses = new() { ReplacesHubs = replaces } });
            _ = new AddressWatch(bench);
            if (replaces)
                Assert.All(Run(bench, world), seen => Assert.Contains("done 0", seen[^1], StringComparison.Ordinal));
            else
                _ = Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Run(bench, world));
        }
    }

    private static List<string>[] Run(SharedBench bench, World world, ulong patienceNs = 5_000 * MillisecondNs)
    {
        Place[] places = [.. Enumerable.Range(0, bench.SetCount).Select(number => new Place(bench, number, world.HasManyTranslators))];
        List<string>[] seen = [.. world.Scripts.Select(_ => new List<string>())];
        bench.Loop.Run(() => Task.WhenAll(world.Scripts.Select((script, number) => Play(bench, number, places[number], script, seen[number], patienceNs))));
        return seen;
    }

    private static async Task Play(SharedBench bench, int number, Place place, Step[] script, List<string> seen, ulong patienceNs)
    {
        ScheduleGuest guest = new(bench, number) { PatienceNs = patienceNs };
        if (script.Length != 0)
            guest.Start();
        foreach (Step step in script)
            seen.Add($"{step.Kind} {step.Port}: {await Do(bench, number, guest, place, step)}");
    }

    private static async Task<string> Do(SharedBench bench, int number, ScheduleGuest guest, Place place, Step step)
    {
        // A slow device stays behind the hub that its driver knows last.
        (byte address, SplitPath path) = (Place.AddressOf(step.Port), step.Port == Slow ? new SplitPath(place.Hub, Slow) : default);
        switch (step.Kind)
        {
            case Kind.EnumerateHub:
                return await place.EnumerateHub(guest, step.Hub);
            case Kind.Enumerate:
                return await place.Enumerate(guest, step.Port, address, path);
            case Kind.Ask:
                return await guest.AskTag(address, path);
            case Kind.Bulk:
                return await guest.Bulk(address, isIn: true, 128 * (1 + step.Other), path);
            case Kind.Report:
                return await guest.Report(address, path);
            case Kind.ShutPort:
                return await place.Shut(guest, step.Port);
            case Kind.ReplugHub:
                UsbPort root = bench.Controller.Usb.Ports[number];
                _ = root.Unplug();
                if (step.Other != 0)
                    root.Plug(place.Device);
                return "";
            case Kind.ReplugDevice:
                return place.Replug(step.Port);
            case Kind.Rename:
                return await guest.SetAddress((byte)(5 + step.Other), address, path);
            case Kind.Reset:
                return guest.Reset();
            case Kind.Crash:
                bench.Controller.Interfaces[number].ResetFunction();
                bench.Controller.Interfaces[number].Configuration.Write(0x04, 2, 0b110);
                guest.Start();
                return "";
            case Kind.Delay:
                await bench.Loop.Delay(step.Other * SharedBench.MicroframeNs);
                return "";
            case Kind.WrongHub:
                return await guest.AskTag((byte)(1 + step.Other), new SplitPath((byte)(1 + step.Other), step.Port));
            case Kind.OnlyResetPort:
                return await place.Request(guest, StandardRequest.SetFeature, PortFeature.Reset, step.Port);
            default:
                return await guest.SetAddress((byte)(5 + step.Other), from: 0, path);
        }
    }

    /// <summary>The hub of a guest with its devices, and what the guest's software knows of them.</summary>
    private sealed class Place
    {
        private readonly SharedBench _bench;
        private readonly TaggedDevice[] _devices;

        public Place(SharedBench bench, int number, bool hasMany)
        {
            _bench = bench;
            Device = new(bench.Loop, new() { PortCount = 2, HasManyTranslators = hasMany });
            _devices = [new((byte)(number + 1), UsbSpeed.Full), new((byte)(number + 1))];
            bench.Controller.Usb.Ports[number].Plug(Device);
            for (int port = 0; port < _devices.Length; port++)
                Device.Downstream[port].Plug(_devices[port]);
        }

        public UsbHub Device { get; }

        /// <summary>The address that the hub was given last.</summary>
        public byte Hub { get; private set; } = 1;

        public static byte AddressOf(int port) => (byte)(2 + port);

        public async Task<string> EnumerateHub(ScheduleGuest guest, byte address)
        {
            Hub = address;
            string reset = await guest.ResetPort();
            string addressed = await guest.SetAddress(address);
            if (addressed != "done")
            {
                guest.DisablePort();
                return $"{reset}, {addressed}";
            }

            string configured = await guest.Configure(address);
            for (int port = Slow; port <= Fast; port++)
                configured += $", {await Request(guest, StandardRequest.SetFeature, PortFeature.Power, port)}";
            await _bench.Loop.Delay(30 * MillisecondNs);
            return $"{reset}, {addressed}, {configured}";
        }

        public async Task<string> Enumerate(ScheduleGuest guest, int port, byte address, SplitPath path)
        {
            string reset = await Request(guest, StandardRequest.SetFeature, PortFeature.Reset, port);
            if (reset != "done")
                return reset;
            await _bench.Loop.Delay(25 * MillisecondNs);
            string addressed = await guest.SetAddress(address, from: 0, path);
            return addressed == "done"
                ? $"{reset}, {addressed}, {await guest.Configure(address, path)}"
                : $"{reset}, {addressed}, {await Shut(guest, port)}";
        }

        public Task<string> Shut(ScheduleGuest guest, int port) => Request(guest, StandardRequest.ClearFeature, PortFeature.Enable, port);

        public Task<string> Request(ScheduleGuest guest, StandardRequest request, PortFeature feature, int port) =>
            guest.Control(Hub, HubBench.Request(request, (ushort)feature, port));

        public string Replug(int port)
        {
            UsbPort socket = Device.Downstream[port - 1];
            _ = socket.Unplug();
            socket.Plug(_devices[port - 1]);
            return "";
        }
    }

    private sealed record World(AddressAssignment Assignment, SharingPolicy Policy, bool HasManyTranslators, Step[][] Scripts)
    {
        public SharedEhciOptions Options => new() { Addresses = new() { Assignment = Assignment }, Policy = Policy };

        public override string ToString() => $"{Assignment}, {Policy}, many translators {HasManyTranslators}: {string.Join(" | ", Scripts.Select(script => string.Join("; ", script)))}";
    }

    private readonly record struct Step(Kind Kind, byte Port, byte Hub, byte Other);
}
