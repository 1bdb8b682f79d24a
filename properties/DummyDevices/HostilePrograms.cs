using Dma.Drivers;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>One guest's drivers of dummies do what none should: it harms nobody but that guest.</summary>
public sealed class HostilePrograms
{
    private const ulong PatienceNs = 3_600_000_000_000;
    private const ulong AnswerNs = 20 * DummyWorld.MillisecondNs;
    private const int Hostile = 0;

    // USBCMD, behind 20h bytes of capabilities.
    private const ulong Command = 0x20 + EhciOperationalOffsets.UsbCommand;

    // A question waits for answers, for an explanation, and for both again; then dummies go back to what was.
    private const ulong QuestionNsMax = 5 * AnswerNs;

    // What a driver itself does beside its request: it lets go of a pipe, opens another one, and turns the device off where it is refused.
    private const ulong DriverNsMax = 40 * DummyWorld.MillisecondNs;

    private enum Kind
    {
        Choose,
        ChooseMuch,
        ChooseNothing,
        ChooseAtOnce,
        ChooseWhileAnotherHolds,
        FindAgain,
        HostileChooses,
        Change,
        Revive,
        Delay,
    }

    private static Gen<Step> Steps =>
        from kind in Gen.Frequency(
            (20, Gen.Constant(Kind.Choose)),
            (14, Gen.Constant(Kind.ChooseMuch)),
            (8, Gen.Constant(Kind.ChooseNothing)),
            (10, Gen.Constant(Kind.ChooseAtOnce)),
            (6, Gen.Constant(Kind.ChooseWhileAnotherHolds)),
            (1, Gen.Constant(Kind.FindAgain)),
            (8, Gen.Constant(Kind.HostileChooses)),
            (10, Gen.Constant(Kind.Change)),
            (2, Gen.Constant(Kind.Revive)),
            (6, Gen.Constant(Kind.Delay)))
        from guest in Gen.Choose(0, 2)
        from setting in Gen.Choose(0, DummyWorld.Settings.Count)
        from second in Gen.Choose(0, DummyWorld.Settings.Count)
        from manner in Manners
        select new Step(kind, guest, (byte)setting, (byte)second, manner);

    // Who refuses is waited for longest, so it is what most are.
    private static Gen<DummyManner> Manners => Gen.Frequency((1, Gen.Elements(Enum.GetValues<DummyManner>())), (1, Gen.Constant(DummyManner.Refuses)));

    private static Arbitrary<World> Worlds
    {
        get
        {
            Arbitrary<Step[]> programs = Generate.Program(Steps, 24);
            return Arb.From(
                from guests in Gen.Choose(3, 4)
                from manner in Manners
                from steps in programs.Generator
                select new World(guests, manner, steps),
                world => programs.Shrinker(world.Steps).Select(steps => world with { Steps = steps }));
        }
    }

    [Fact]
    public void Whatever_a_driver_of_dummies_does_it_harms_its_own_guest_alone()
    {
        Tally tally = new();
        Property.Check(Worlds, world => Play(world, tally), count: 22);

        // It was tried in earnest: requests were granted and refused, and each lapse was seen.
        Assert.True(tally is { Granted: > 30, Refused: > 8, Silences: > 8, Disproved: > 8, Unasked: > 20, MustFit: > 30 }, $"{tally}");
    }

    private static void Play(World drawn, Tally tally)
    {
        using DummyWorld world = new(drawn.Guests, answerNsMax: AnswerNs);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                int[] honest = [.. Enumerable.Range(1, drawn.Guests - 1)];
                await Task.WhenAll(honest.Select(number => world.Boot(number)));
                await world.Quiet();
                long[] before = Views(world);
                world.Looked = () => Check(world);
                HostileDummies hostile = await BootHostile(world, drawn.Manner);
                await world.Quiet();
                foreach (Step step in drawn.Steps)
                {
                    if (hostile.IsOver)
                    {
                        await Crash(world, hostile, tally);
                        hostile = await BootHostile(world, step.Manner);
                    }

                    await Do(world, hostile, step, tally);
                    Assert.All(honest, number => Assert.Equal(0ul, world[number].Stream.Missed));
                    Check(world);
                }

                // Taken back, it leaves nothing behind, once drivers have seen that its dummies are gone.
                await Crash(world, hostile, tally);
                await world.Host.Loop.Delay(50 * DummyWorld.MillisecondNs);
                foreach (int number in honest)
                    Assert.True(await world[number].Choose(0));
                await world.Quiet();
                Assert.Equal(before, Views(world));
                Assert.Equal(0u, world.Reservations.LoadNs);
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
        Assert.Equal(0, world.Interrupts.Premature);
        CheckQuestions(world);
        tally.Granted += world.Reservations.Counts.Granted;
        tally.Refused += world.Reservations.Counts.Refused;
    }

    private static async Task<HostileDummies> BootHostile(DummyWorld world, DummyManner manner)
    {
        await world.Boot(Hostile, hasDummyDriver: false);
        HostileDummies hostile = new(world[Hostile].Controller, world.Sharing.FirstInternalPort, AnswerNs, () => world.Controller.Interfaces[Hostile].WriteBar(0, Command, 4, new UsbCommand { Reset = true }.Raw.Value)) { Manner = manner };
        hostile.Start();
        for (int waited = 0; hostile.Count < world.Count - 1 && !hostile.IsOver && waited < 5000; waited++)
            await world.Host.Loop.Delay(DummyWorld.MillisecondNs);
        return hostile;
    }

    // Nothing of its software goes on: what it frees later would be the memory of who comes next.
    private static async Task Crash(DummyWorld world, HostileDummies hostile, Tally tally)
    {
        DummyConduct conduct = world.Reservations.ConductOf(Hostile);
        tally.Silences += conduct.Silences;
        tally.Disproved += conduct.Disproved;
        tally.Unasked += conduct.Unasked;
        await world.Crash(Hostile);
        while (hostile.IsRunning)
            await world.Host.Loop.Delay(DummyWorld.MillisecondNs);
    }

    private static async Task Do(DummyWorld world, HostileDummies hostile, Step step, Tally tally)
    {
        int number = 1 + (step.Guest % (world.Count - 1));
        int other = 1 + ((step.Guest + 1) % (world.Count - 1));
        byte much = (byte)(6 + (step.Setting % 2));
        switch (step.Kind)
        {
            case Kind.Choose or Kind.ChooseMuch:
                byte setting = step.Kind == Kind.Choose ? step.Setting : much;
                await world.Quiet();
                bool mustFit = world.MustFit(number, setting);
                ulong silences = world.Reservations.ConductOf(Hostile).Silences;
                bool isDone = await Choose(world, number, setting);
                tally.MustFit += mustFit ? 1 : 0;

                // Nobody can refuse for it; only who does not answer is taken for slow, and not for long.
                bool wasSilent = world.Reservations.ConductOf(Hostile).Silences != silences;
                Assert.True(isDone || !mustFit || wasSilent, $"VM {number} was refused setting {setting}, for which all had time.");
                Assert.Equal(isDone ? setting : 0, world.Devices[number].Setting);
                break;
            case Kind.ChooseNothing:
                Assert.True(await Choose(world, number, 0));
                break;
            case Kind.ChooseAtOnce:
                _ = await Task.WhenAll(Choose(world, number, step.Setting), Choose(world, other, step.Second));
                break;
            case Kind.ChooseWhileAnotherHolds:
                _ = await Task.WhenAll(Choose(world, number, much), Hold(world[other], step.Setting, step.Second));
                break;
            case Kind.FindAgain:
                await world[number].FindAgain();
                break;
            case Kind.HostileChooses:
                await HostileChooses(world, step.Setting);
                break;
            case Kind.Change:
                hostile.Manner = step.Manner;
                break;
            case Kind.Revive:
                hostile.Manner = DummyManner.Resets;
                break;
            default:
                await world.Host.Loop.Delay((1 + (ulong)step.Setting) * DummyWorld.MillisecondNs);
                break;
        }
    }

    // Takes time into its books, and gives it back in time without asking for it: as it may.
    private static async Task<bool> Hold(DummyGuest guest, byte setting, byte milliseconds)
    {
        if (setting == 0)
            return false;
        try
        {
            IUsbIsochronousPipe pipe = await guest.Device.Connection.OpenIsochronous(guest.Device.Configuration.Interfaces.First(face => face.Descriptor.AlternateSetting == setting).Endpoints[0]);
            await guest.Controller.Processor.Delay(milliseconds * DummyWorld.MillisecondNs);
            await pipe.Close();
            return true;
        }
        catch (DriverException failure) when (failure.Failure == DriverFailure.NoBandwidth)
        {
            return false;
        }
    }

    // Its own set may be reset under it.
    private static async Task HostileChooses(DummyWorld world, byte setting)
    {
        try
        {
            _ = await world[Hostile].Choose(setting);
        }
        catch (DriverException)
        {
        }
    }

    // A request waits at most for one question and one end of each other guest, and its own.
    private static async Task<bool> Choose(DummyWorld world, int number, byte setting)
    {
        ulong startNs = world.Host.Loop.NowNs;
        bool isDone = await world[number].Choose(setting);
        Assert.InRange(world.Host.Loop.NowNs - startNs, 0ul, (ulong)world.Count * (QuestionNsMax + AnswerNs) + DriverNsMax);
        return isDone;
    }

    private static void Check(DummyWorld world)
    {
        world.CheckViews();
        if (!Enumerable.Range(0, world.Count).All(world.Has))
            return;
        uint load = (uint)Enumerable.Range(0, world.Count).Sum(number => world.LoadOf(number));
        Assert.InRange(load, 0u, world.Reservations.LoadNs);
        Assert.InRange(world.Reservations.LoadNs, 0u, SharedUsbController.PeriodicNsMax);
        Assert.InRange(world.PeriodicNsMax, 0ul, SharedUsbController.PeriodicNsMax);
        Assert.Equal(0, world.Strays);
        for (int number = 1; number < world.Count; number++)
        {
            DummyConduct conduct = world.Reservations.ConductOf(number);
            Assert.True(conduct is { Silences: 0, Disproved: 0, Unasked: 0, IsTrusted: true }, $"VM {number} did nothing wrong.");
        }
    }

    // From the question to its answer, one after the other.
    private static void CheckQuestions(DummyWorld world)
    {
        ReservationEvent[] ends = [.. world.Events.Where(step => step.Kind is ReservationEventKind.Asked or ReservationEventKind.Granted or ReservationEventKind.Refused)];
        for (int index = 0; index + 1 < ends.Length; index += 2)
        {
            Assert.True(ends[index].Kind == ReservationEventKind.Asked && ends[index + 1].Kind != ReservationEventKind.Asked);
            Assert.InRange(ends[index + 1].NowNs - ends[index].NowNs, 0ul, QuestionNsMax);
        }
    }

    private static long[] Views(DummyWorld world) =>
        [.. Enumerable.Range(1, world.Count - 1).Select(number => world[number].Controller.ReservedNs.ToArray().Sum(static ns => (long)ns))];

    private sealed record World(int Guests, DummyManner Manner, Step[] Steps)
    {
        public override string ToString() => $"{Guests} guests, {Manner}: {string.Join("; ", Steps)}";
    }

    private readonly record struct Step(Kind Kind, int Guest, byte Setting, byte Second, DummyManner Manner);

    private sealed record Tally
    {
        public ulong Granted { get; set; }

        public ulong Refused { get; set; }

        public ulong Silences { get; set; }

        public ulong Disproved { get; set; }

        public ulong Unasked { get; set; }

        public int MustFit { get; set; }
    }
}
