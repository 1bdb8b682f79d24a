using Dma.Hal;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What becomes of each descriptor of guests that change their schedules at any time, by the numbers that reach their devices.</summary>
public sealed class MergedExecutionTests
{
    private const ulong PatienceNs = 60_000_000_000;

    private static readonly Gen<WorkStep> s_step = Gen.Frequency(
        (3, Step(WorkAct.AddQueue)),
        (6, Step(WorkAct.Append)),
        (3, Step(WorkAct.AppendPeriodic)),
        (3, Step(WorkAct.Cancel)),
        (3, Step(WorkAct.Relink)),
        (4, Step(WorkAct.AddFrame)),
        (2, Step(WorkAct.MoveFrame)),
        (1, Step(WorkAct.RemoveFrame)));

    [Fact]
    public void Each_descriptor_is_executed_once_or_taken_back_and_never_both_whenever_guests_change_their_schedules()
    {
        (int executed, int cancelled) = (0, 0);
        Property.Check(
            Arb.From(Programs(), Smaller),
            program =>
            {
                foreach ((int ended, int never) in Play(program))
                    (executed, cancelled) = (executed + ended, cancelled + never);
            },
            count: 60);

        // Neither outcome is a rare one.
        Assert.True(executed > 200 && cancelled > 50, $"{executed} and {cancelled}");
    }

    [Theory]
    [InlineData(MergeMethod.Software, DiscoveryMethod.Scan)]
    [InlineData(MergeMethod.Software, DiscoveryMethod.WriteProtection)]
    [InlineData(MergeMethod.Hardware, DiscoveryMethod.Scan)]
    public void No_interrupt_and_no_status_register_of_a_virtual_controller_is_ahead_of_what_it_speaks_of(MergeMethod method, DiscoveryMethod discovery)
    {
        using MergedComputer machine = new(2, method);
        PacketNumbers watch = new(machine.Controller.Usb, machine.Host.Loop);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = discovery });
                await Task.WhenAll(Enumerable.Range(0, 2).Select(async number =>
                {
                    RecordingDevice recorder = new(number);
                    machine.Controller.Usb.Ports[number].Plug(recorder);
                    PciDevice device = await machine.Open(number);
                    PaperGuest paper = new(machine.Guests[number], device, FrameListSize.Elements1024);
                    paper.Run();
                    WorkingGuest guest = new(machine.Host.Loop, paper, recorder, watch, number + 1);
                    await guest.Enumerate();
                    await guest.WaitForEnds(device.Interrupt, 40);
                    await guest.End();
                }));
            },
            PatienceNs);
    }

    [Fact]
    public void Where_a_doorbell_is_answered_at_once_what_was_taken_back_is_executed_all_the_same()
    {
        WorkStep[] steps = [.. Enumerable.Range(0, 6).SelectMany(static _ => (WorkStep[])[new(WorkAct.AddQueue, 0, 20), new(WorkAct.Append, 0, 254), new(WorkAct.Cancel, 0, 100)])];
        WorkProgram program = new([steps], [FrameListSize.Elements1024, FrameListSize.Elements1024], MergeMethod.Software, DiscoveryMethod.Scan, 1);
        _ = Play(program);
        _ = Assert.ThrowsAny<Exception>(() => Play(program, MergeSteps.Doorbell));
    }

    [Fact]
    public void Where_nobody_counts_bus_time_isochronous_slots_of_several_guests_take_more_than_may_be_promised()
    {
        WorkStep[] steps = [.. Enumerable.Range(0, 8).Select(static _ => new WorkStep(WorkAct.AddFrame, 749, 127))];
        WorkProgram program = new([steps, steps, steps], [.. Enumerable.Repeat(FrameListSize.Elements1024, 4)], MergeMethod.Software, DiscoveryMethod.Scan, 1);
        _ = Play(program);
        Assert.Contains("ns", Assert.ThrowsAny<Exception>(() => Play(program, MergeSteps.Budget)).Message, StringComparison.Ordinal);
    }

    private static Gen<WorkStep> Step(WorkAct act) =>
        from first in Gen.Choose(0, 1023)
        from second in Gen.Choose(0, 255)
        select new WorkStep(act, first, second);

    private static Gen<WorkProgram> Programs() =>
        from guests in Gen.Choose(1, 3)
        from steps in Gen.ArrayOf(Gen.ArrayOf(s_step, 14), guests)
        from sizes in Gen.ArrayOf(Gen.Elements(FrameListSize.Elements1024, FrameListSize.Elements512, FrameListSize.Elements256), guests + 1)
        from method in Gen.Elements(MergeMethod.Software, MergeMethod.Hardware)
        from discovery in Gen.Elements(DiscoveryMethod.Scan, DiscoveryMethod.WriteProtection)
        from ahead in Gen.Elements(1, 3, 8)
        select new WorkProgram(steps, sizes, method, discovery, ahead);

    private static IEnumerable<WorkProgram> Smaller(WorkProgram program)
    {
        for (int guest = 0; guest < program.Guests.Length; guest++)
        {
            if (program.Guests.Length > 1)
                yield return program with { Guests = [.. program.Guests.Where((_, index) => index != guest)] };
            for (int step = 0; step < program.Guests[guest].Length; step++)
            {
                WorkStep[] shorter = [.. program.Guests[guest].Where((_, index) => index != step)];
                yield return program with { Guests = [.. program.Guests.Select((own, index) => index == guest ? shorter : own)] };
            }
        }
    }

    private static (int Executed, int Cancelled)[] Play(WorkProgram program, MergeSteps without = MergeSteps.None)
    {
        int count = program.Guests.Length;

        // One more guest has schedules, and nothing to do: nothing in its memory may change.
        using MergedComputer machine = new(count + 1, program.Method);
        PacketNumbers watch = new(machine.Controller.Usb, machine.Host.Loop);
        WorkingGuest[] guests = new WorkingGuest[count];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = program.Discovery, AheadMicroframes = program.Ahead, Without = without });
                PaperGuest still = await Paper(machine, count, program);
                await Task.WhenAll(Enumerable.Range(0, count).Select(async number =>
                {
                    RecordingDevice device = new(number);
                    machine.Controller.Usb.Ports[number].Plug(device);
                    guests[number] = new(machine.Host.Loop, await Paper(machine, number, program), device, watch, number + 1);
                    await guests[number].Enumerate();
                }));
                byte[] before = PaperGuest.MemoryOf(machine.Guests[count]);
                await Task.WhenAll(guests.Select(async (guest, number) =>
                {
                    foreach (WorkStep step in program.Guests[number])
                        await guest.Do(step);
                    await guest.End();
                }));
                Assert.True(before.AsSpan().SequenceEqual(PaperGuest.MemoryOf(machine.Guests[count])));
                Assert.True(still.HasItsLinks());
            },
            PatienceNs);
        Assert.All(watch.Came.GroupBy(static number => number), static group => Assert.Single(group));
        Assert.True(watch.PeriodicNsMax <= PeriodicBudget.LimitNs, $"{watch.PeriodicNsMax} ns");
        Assert.Equal(0ul, machine.Host.Faults.Total);
        return [.. guests.Select(static guest => guest.Outcome)];
    }

    private static async Task<PaperGuest> Paper(MergedComputer machine, int number, WorkProgram program)
    {
        PaperGuest paper = new(machine.Guests[number], await machine.Open(number), program.Sizes[number]);
        if (number == program.Guests.Length)
        {
            _ = paper.AddToRing(0);
            paper.AddInterrupt(8, 3, 1);
            paper.AddIsochronous(5, slots: 0, isSplit: false);
        }

        paper.Run();
        return paper;
    }

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="Sizes">How long their frame lists are, and that of the one that does nothing.</param>
    /// <param name="Method">Who merges.</param>
    /// <param name="Discovery">How changes are found.</param>
    /// <param name="Ahead">How many microframes ahead.</param>
    private sealed record WorkProgram(WorkStep[][] Guests, FrameListSize[] Sizes, MergeMethod Method, DiscoveryMethod Discovery, int Ahead)
    {
        public override string ToString() => $"{Method}, {Discovery}, {Ahead} ahead, {string.Join(" ", Sizes)}: {string.Join(" | ", Guests.Select(own => string.Join(", ", own)))}";
    }
}
