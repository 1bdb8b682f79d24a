using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Guests do what they like with their devices, and the books of all of them stay true.</summary>
public sealed class DummyPrograms
{
    private const ulong PatienceNs = 3_600_000_000_000;
    private const int ProgramsPerWorld = 20;

    private enum Kind
    {
        Choose,
        ChooseMuch,
        ChooseNothing,
        ChooseAtOnce,
        FindAgain,
        Replug,
        Crash,
        Delay,
    }

    private static Gen<Step> Steps =>
        from kind in Gen.Frequency(
            (24, Gen.Constant(Kind.Choose)),
            (12, Gen.Constant(Kind.ChooseMuch)),
            (9, Gen.Constant(Kind.ChooseNothing)),
            (12, Gen.Constant(Kind.ChooseAtOnce)),
            (2, Gen.Constant(Kind.FindAgain)),
            (2, Gen.Constant(Kind.Replug)),
            (1, Gen.Constant(Kind.Crash)),
            (9, Gen.Constant(Kind.Delay)))
        from guest in Gen.Choose(0, 3)
        from other in Gen.Choose(1, 3)
        from setting in Gen.Choose(0, DummyWorld.Settings.Count)
        from second in Gen.Choose(0, DummyWorld.Settings.Count)
        from waits in Gen.Choose(0, 1)
        select new Step(kind, guest, other, (byte)setting, (byte)second, waits == 1);

    private static Gen<Step[][]> Programs => Steps.ArrayOf().Resize(9).ArrayOf(ProgramsPerWorld);

    [Fact]
    public void Whatever_guests_ask_for_views_are_never_below_the_truth_and_no_slot_is_missed() => Property.Check(
        from guests in Gen.Choose(2, 4)
        from liar in Gen.Choose(0, 3)
        from programs in Programs
        select (guests, liar, programs),
        world => Play(world.guests, hasLiar: world.liar == 0 && world.guests > 2, world.programs),
        count: 35);

    // A liar is the first guest: it has no driver for dummies, asks for nothing, and sends.
    private static void Play(int guests, bool hasLiar, Step[][] programs)
    {
        using DummyWorld world = new(guests);
        int first = hasLiar ? 1 : 0;
        world.Looked = () => Check(world);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await Task.WhenAll(Enumerable.Range(0, guests).Select(number => world.Boot(number, hasDummyDriver: number >= first)));
                await world.Quiet();
                if (hasLiar)
                    await world[0].Lie(setting: 9, pipes: 2);
                uint[][] before = Views(world);
                foreach (Step[] program in programs)
                {
                    foreach (Step step in program)
                        await Do(world, step, first);

                    // The inverse: all views are again what they were, but for the places of what was opened anew after a crash.
                    for (int number = first; number < guests; number++)
                        Assert.True(await world[number].Choose(0));
                    await world.Quiet();
                    uint[][] after = Views(world);
                    Assert.Equal(before.Select(view => view.Sum(ns => ns)), after.Select(view => view.Sum(ns => ns)));
                    if (!program.Any(step => step.Kind == Kind.Crash))
                        Assert.Equal(before, after);
                    before = after;
                    Assert.Equal(0u, world.Reservations.LoadNs);
                    Check(world);
                }
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
        Assert.Equal(0, world.Interrupts.Premature);
        Assert.True(world.Interrupts.Seen is { Transfers: > 100, Notices: > 20 }, $"{world.Interrupts.Seen}");

        // Nobody that means well is ever overruled.
        Assert.Equal(0ul, world.Reservations.Counts.Disproved);
        for (int number = first; number < guests; number++)
            Assert.True(world.Reservations.ConductOf(number) is { Unasked: 0, IsTrusted: true });
        Assert.True(world.Reservations.Counts.Silences == 0 || programs.Any(program => program.Any(step => step.Kind == Kind.Crash)));
    }

    private static async Task Do(DummyWorld world, Step step, int first)
    {
        int count = world.Count - first;
        int number = first + (step.Guest % count);
        int other = first + ((number - first + 1 + (step.Other % (count - 1))) % count);
        CheckSlots(world);
        switch (step.Kind)
        {
            case Kind.Choose or Kind.ChooseMuch:
                byte setting = step.Kind == Kind.Choose ? step.Setting : (byte)(6 + (step.Setting % 2));
                if (!step.Waits)
                {
                    _ = await world[number].Choose(setting);
                    break;
                }

                await world.Quiet();
                bool mustFit = world.MustFit(number, setting);
                bool isDone = await world[number].Choose(setting);
                Assert.True(isDone || !mustFit, $"VM {number} was refused setting {setting}, for which all had time.");
                Assert.Equal(isDone ? setting : 0, world.Devices[number].Setting);
                break;
            case Kind.ChooseNothing:
                Assert.True(await world[number].Choose(0));
                break;
            case Kind.ChooseAtOnce:
                _ = await Task.WhenAll(world[number].Choose(step.Setting), world[other].Choose(step.Second));
                break;
            case Kind.FindAgain:
                await world[number].FindAgain();
                break;
            case Kind.Replug:
                _ = world.Controller.Usb.Ports[number].Unplug();
                await world.Host.Loop.Delay(step.Setting * DummyWorld.MillisecondNs);
                world.Controller.Usb.Ports[number].Plug(world.Devices[number]);
                await world[number].FindAgain();
                break;
            case Kind.Crash:
                await world.Crash(number);
                CheckSlots(world);
                await world.Boot(number);
                await world.Quiet();
                break;
            default:
                await world.Host.Loop.Delay((1 + (ulong)step.Setting) * DummyWorld.MillisecondNs);
                break;
        }
    }

    private static void CheckSlots(DummyWorld world) => Assert.Equal(0ul, world.Slots().Missed);

    private static void Check(DummyWorld world)
    {
        if (!Enumerable.Range(0, world.Count).All(world.Has))
            return;
        world.CheckViews();
        uint load = (uint)Enumerable.Range(0, world.Count).Sum(number => world.LoadOf(number));
        Assert.InRange(load, 0u, world.Reservations.LoadNs);
        Assert.InRange(world.Reservations.LoadNs, 0u, SharedUsbController.PeriodicNsMax);
        Assert.InRange(world.PeriodicNsMax, 0ul, SharedUsbController.PeriodicNsMax);
        Assert.Equal(0, world.Strays);
        Assert.Equal(world.Count * (world.Count - 1), world.Reservations.Dummies.Count);
        Assert.All(world.Reservations.Dummies, dummy => Assert.NotEqual(dummy.Owner, dummy.Set));
    }

    private static uint[][] Views(DummyWorld world) =>
        [.. Enumerable.Range(0, world.Count).Select(number => world[number].Controller.ReservedNs.ToArray())];

    private readonly record struct Step(Kind Kind, int Guest, int Other, byte Setting, byte Second, bool Waits);
}
