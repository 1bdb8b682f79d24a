using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The merged schedule as it lies in memory, or as the controller fetches it through an engine, against what each guest wrote on paper, frame by frame, while guests change what they wrote.</summary>
public sealed class MergedPictureTests
{
    private const ulong FrameNs = 1_000_000;
    private const ulong MicroframeNs = 125_000;
    private const ulong PatienceNs = 60_000_000_000;

    // A frame in which the shortest lists have come once.
    private const int SecondTime = 260;

    // Periods of interrupt queues begin here as often as elsewhere.
    private const int FrameStep = 16;

    private static readonly Gen<PaperStep> s_step = Gen.Frequency(
        (3, Step(PaperAct.AddToRing)),
        (2, Step(PaperAct.RemoveFromRing)),
        (4, Step(PaperAct.AddInterrupt)),
        (2, Step(PaperAct.RemoveInterrupt)),
        (4, Step(PaperAct.AddIsochronous)),
        (2, Step(PaperAct.AddSplit)),
        (3, Step(PaperAct.Wait)));

    [Fact]
    public void Each_frame_holds_what_each_guest_has_in_it_once_in_its_order_isochronous_first_and_nothing_else() =>
        Property.Check(Arb.From(Programs(), Smaller), static program => Play(program), count: 700);

    [Theory]
    [InlineData(MergeMethod.Software)]
    [InlineData(MergeMethod.Hardware)]
    public void A_list_of_fewer_elements_that_does_not_come_again_is_found_and_lists_of_all_elements_need_not(MergeMethod method)
    {
        int found = 0;
        Property.Check(
            Programs(),
            program =>
            {
                bool isShort = program.Sizes.Any(static size => size != FrameListSize.Elements1024);
                Exception? wrong = Record.Exception(() => Play(program with { Method = method, First = SecondTime }, MergeSteps.Repetition));
                Assert.True(wrong is null || isShort, wrong?.Message);
                found += wrong is null ? 0 : 1;
            },
            count: 24);
        Assert.True(found > 2, $"{found} were found.");
    }

    private static Gen<PaperStep> Step(PaperAct act) =>
        from first in Gen.Choose(0, 1023)
        from second in Gen.Choose(0, 255)
        select new PaperStep(act, first, second);

    private static Gen<PaperProgram> Programs() =>
        from guests in Gen.Choose(1, 4)
        from steps in Gen.ArrayOf(s_step.ArrayOf(), guests)
        from sizes in Gen.ArrayOf(Gen.Elements(FrameListSize.Elements1024, FrameListSize.Elements512, FrameListSize.Elements256), guests)
        from method in Gen.Elements(MergeMethod.Software, MergeMethod.Hardware)
        from discovery in Gen.Elements(DiscoveryMethod.Scan, DiscoveryMethod.WriteProtection)
        from leaves in Gen.Choose(-1, 3)
        from first in Gen.Frequency((14, Gen.Constant(0)), (1, Gen.Constant(SecondTime)))
        select new PaperProgram([.. steps.Select(own => own.Take(12).ToArray())], sizes, method, discovery, leaves, first);

    private static IEnumerable<PaperProgram> Smaller(PaperProgram program)
    {
        for (int guest = 0; guest < program.Guests.Length; guest++)
        {
            if (program.Guests.Length > 1)
                yield return program with { Guests = [.. program.Guests.Where((_, index) => index != guest)], Sizes = [.. program.Sizes.Where((_, index) => index != guest)] };
            for (int step = 0; step < program.Guests[guest].Length; step++)
            {
                PaperStep[] shorter = [.. program.Guests[guest].Where((_, index) => index != step)];
                yield return program with { Guests = [.. program.Guests.Select((own, index) => index == guest ? shorter : own)] };
            }
        }
    }

    private static void Play(PaperProgram program, MergeSteps without = MergeSteps.None)
    {
        int count = program.Guests.Length;
        FetchWatch watch = new();
        using MergedComputer machine = new(count, program.Method, new() { RepeatsFrames = !without.HasFlag(MergeSteps.Repetition) });
        if (machine.Engine is { } engine)
            engine.Observer = watch;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = program.Discovery, Without = without });
                PaperGuest[] guests = new PaperGuest[count];
                for (int number = 0; number < count; number++)
                    guests[number] = new(machine.Guests[number], await machine.Open(number), program.Sizes[number]);
                foreach (PaperGuest guest in guests)
                    guest.Run();

                await machine.Host.Loop.Delay((ulong)(3 + program.First) * FrameNs);
                await WaitForMiddle(machine);
                List<VirtualMachine> here = [.. machine.Guests];
                for (int step = 0; step < program.Guests.Max(own => own.Length); step++)
                {
                    int frame = (int)(machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3) & 1023;
                    for (int number = 0; number < count; number++)
                    {
                        if (step < program.Guests[number].Length && here.Contains(machine.Guests[number]))
                            Do(guests[number], program.Guests[number][step], frame);
                    }

                    if (step == 3 && program.Leaves >= 0 && program.Leaves < count && count > 1)
                    {
                        await machine.Host.Destroy(machine.Guests[program.Leaves]);
                        _ = here.Remove(machine.Guests[program.Leaves]);
                    }

                    await machine.Host.Loop.Delay(FrameNs);
                    await WaitForMiddle(machine);
                    if (program.Method == MergeMethod.Hardware)
                        Compare(machine, watch, guests, here);
                    else
                        Compare(machine, guests, here);
                }

                if (program.Method == MergeMethod.Software)
                    CompareQueues(machine, guests, here, Enumerable.Range(0, 1024 / FrameStep).Select(static index => index * FrameStep));
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    // The middle of a frame, far from its borders.
    private static async Task WaitForMiddle(MergedComputer machine)
    {
        while ((machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) & 7) != 4)
            await machine.Host.Loop.Delay(MicroframeNs / 2);
    }

    private static void Do(PaperGuest guest, PaperStep step, int frame)
    {
        switch (step.Act)
        {
            case PaperAct.AddToRing:
                _ = guest.AddToRing(step.First);
                break;
            case PaperAct.RemoveFromRing:
                _ = guest.RemoveFromRing(step.First);
                break;
            case PaperAct.AddInterrupt:
                guest.AddInterrupt(1 << (step.First % 11), (step.Second & 8) != 0 ? step.First : step.First & ~(FrameStep - 1), (byte)(1 << (step.Second & 7)));
                break;
            case PaperAct.RemoveInterrupt:
                guest.RemoveInterrupt(step.First);
                break;
            case PaperAct.AddIsochronous:
                guest.AddIsochronous(frame + 2 + (step.First % 4), (byte)(step.Second | 1), isSplit: false);
                break;
            case PaperAct.AddSplit:
                guest.AddIsochronous(frame + 2 + (step.First % 4), (byte)(step.Second | 1), isSplit: true);
                break;
            default:
                break;
        }
    }

    private static void Compare(MergedComputer machine, PaperGuest[] guests, List<VirtualMachine> here)
    {
        int frame = (int)(machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3) & 1023;
        MergedPicture picture = machine.Sharing.Picture!;
        Assert.Equal(1, picture.Heads);
        IReadOnlyList<MergedStructure> ring = picture.Async;
        Assert.Equal(here.Sum(vm => guests[vm.Number].Ring.Count), ring.Count);
        foreach (VirtualMachine vm in here)
            Assert.Equal(guests[vm.Number].Ring, Of(ring, vm));

        // The queues of all frames, and the isochronous descriptors of the one that is on.
        CompareQueues(machine, guests, here, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        IReadOnlyList<MergedStructure> now = picture.Frame(frame);
        foreach (VirtualMachine vm in here)
            Assert.Equal(guests[vm.Number].Frame(frame).Select(entry => entry.Address), Of(now, vm));
        Assert.Equal(here.Sum(vm => guests[vm.Number].Frame(frame).Count()), now.Count);
        int firstQueue = now.TakeWhile(structure => structure.Type != LinkType.QueueHead).Count();
        Assert.All(now.Skip(firstQueue), structure => Assert.Equal(LinkType.QueueHead, structure.Type));
    }

    private static void CompareQueues(MergedComputer machine, PaperGuest[] guests, List<VirtualMachine> here, IEnumerable<int> frames)
    {
        foreach (int frame in frames)
        {
            MergedStructure[] queues = [.. machine.Sharing.Picture!.Frame(frame).Where(structure => structure.Type == LinkType.QueueHead)];
            foreach (VirtualMachine vm in here)
                Assert.Equal(guests[vm.Number].Queues(frame), Of(queues, vm));
        }
    }

    // As the controller fetched it: the list of the frame that is on in the microframe before, and a round, in which each VM ends with its own head.
    private static void Compare(MergedComputer machine, FetchWatch watch, PaperGuest[] guests, List<VirtualMachine> here)
    {
        int frame = (int)(machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3) & 1023;
        Assert.Equal(here.Sum(vm => guests[vm.Number].Ring.Count), watch.Round.Count);
        Assert.Equal(here.Sum(vm => guests[vm.Number].Frame(frame).Count()), watch.Frame.Count);
        foreach (VirtualMachine vm in here)
        {
            PaperGuest guest = guests[vm.Number];
            Assert.Equal([.. guest.Ring.Skip(1), guest.Ring[0]], FetchWatch.Of(watch.Round, vm.Number));
            Assert.Equal(guest.Frame(frame).Select(entry => entry.Address), FetchWatch.Of(watch.Frame, vm.Number));
        }

        Assert.All(watch.Frame, fetch => Assert.Equal((uint)frame, fetch.FrameIndex >> 3 & 1023));
        int firstQueue = watch.Frame.TakeWhile(fetch => fetch.Type != LinkType.QueueHead).Count();
        Assert.All(watch.Frame.Skip(firstQueue), fetch => Assert.Equal(LinkType.QueueHead, fetch.Type));

        // One VM behind the other, in both parts.
        Assert.Equal(watch.Round.Select(fetch => fetch.Slot).Distinct().Count(), Changes(watch.Round));
        foreach (IGrouping<bool, MergeFetch> part in watch.Frame.GroupBy(fetch => fetch.Type == LinkType.QueueHead))
            Assert.Equal(part.Select(fetch => fetch.Slot).Distinct().Count(), Changes([.. part]));
    }

    private static int Changes(IReadOnlyList<MergeFetch> list) => list.Where((fetch, index) => index == 0 || list[index - 1].Slot != fetch.Slot).Count();

    private static IEnumerable<uint> Of(IReadOnlyList<MergedStructure> structures, VirtualMachine vm) =>
        structures.Where(structure => structure.Machine == vm).Select(structure => (uint)structure.GuestAddress.Value);

    private enum PaperAct
    {
        AddToRing,
        RemoveFromRing,
        AddInterrupt,
        RemoveInterrupt,
        AddIsochronous,
        AddSplit,
        Wait,
    }

    private readonly record struct PaperStep(PaperAct Act, int First, int Second);

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each, one in each frame.</param>
    /// <param name="Sizes">How long their frame lists are.</param>
    /// <param name="Method">Who merges.</param>
    /// <param name="Discovery">How changes are found.</param>
    /// <param name="Leaves">Which VM ends in the middle; none where it is not there.</param>
    /// <param name="First">How many frames have passed when the steps begin.</param>
    private sealed record PaperProgram(PaperStep[][] Guests, FrameListSize[] Sizes, MergeMethod Method, DiscoveryMethod Discovery, int Leaves, int First)
    {
        public override string ToString() => $"{Method}, {Discovery}, {string.Join(" ", Sizes)}, {Leaves} leaves, from {First}: {string.Join(" | ", Guests.Select(own => string.Join(", ", own)))}";
    }
}
