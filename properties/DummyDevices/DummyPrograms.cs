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
        Delay,
    }

    private static Gen<Step> Steps =>
        from kind in Gen.Frequency(
            (8, Gen.Constant(Kind.Choose)),
            (4, Gen.Constant(Kind.ChooseMuch)),
            (3, Gen.Constant(Kind.ChooseNothing)),
            (4, Gen.Constant(Kind.ChooseAtOnce)),
            (1, Gen.Constant(Kind.FindAgain)),
            (1, Gen.Constant(Kind.Replug)),
            (3, Gen.Constant(Kind.Delay)))
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
        from programs in Programs
        select (guests, programs),
        world => Play(world.guests, world.programs),
        count: 35);

    private static void Play(int guests, Step[][] programs)
    {
        using DummyWorld world = new(guests);
        world.Looked = () => Check(world);
        world.Host.Loop.Run(
            async () =>
            {
                await world.Start();
                await world.BootAll();
                uint[][] before = Views(world);
                foreach (Step[] program in programs)
                {
                    foreach (Step step in program)
                        await Do(world, step);

                    // The inverse: all views are again what they were.
                    for (int number = 0; number < guests; number++)
                        _ = await world[number].Choose(0);
                    await world.Quiet();
                    Assert.Equal(before, Views(world));
                    Assert.Equal(0u, world.Reservations.LoadNs);
                    Check(world);
                }
            },
            PatienceNs);
        Assert.Equal(0ul, world.Host.Faults.Total);
        Assert.Equal(0ul, world.Reservations.Counts.Silences);
    }

    private static async Task Do(DummyWorld world, Step step)
    {
        int number = step.Guest % world.Count;
        int other = (number + 1 + (step.Other % (world.Count - 1))) % world.Count;
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
            default:
                await world.Host.Loop.Delay((1 + (ulong)step.Setting) * DummyWorld.MillisecondNs);
                break;
        }
    }

    private static void CheckSlots(DummyWorld world) => Assert.Equal(0ul, world.Slots().Missed);

    private static void Check(DummyWorld world)
    {
        world.CheckViews();
        uint load = (uint)Enumerable.Range(0, world.Count).Sum(number => world.LoadOf(number));
        Assert.InRange(load, 0u, world.Reservations.LoadNs);
        Assert.InRange(world.Reservations.LoadNs, 0u, SharedUsbController.PeriodicNsMax);
        Assert.InRange(world.PeriodicNsMax, 0ul, SharedUsbController.PeriodicNsMax);
        Assert.Equal(world.Count * (world.Count - 1), world.Reservations.Dummies.Count);
        Assert.All(world.Reservations.Dummies, dummy => Assert.NotEqual(dummy.Owner, dummy.Set));
    }

    private static uint[][] Views(DummyWorld world) =>
        [.. Enumerable.Range(0, world.Count).Select(number => world[number].Controller.ReservedNs.ToArray())];

    private readonly record struct Step(Kind Kind, int Guest, int Other, byte Setting, byte Second, bool Waits);
}
