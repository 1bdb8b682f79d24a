using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A merge engine before a controller: what it is there for, shown by leaving it out, and what its guests and the VMM pay.</summary>
public sealed class MergeEngineTests
{
    private const ulong MicroframeNs = 125_000;
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 60_000_000_000;
    private const int Unlinked = 250;
    private const uint SpanAt = 0x21_0000;
    private const uint BackAt = 0x21_1000;
    private const uint PassedAt = 0x21_2000;

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void When_a_doorbell_is_answered_what_the_guest_unlinked_is_fetched_no_more(bool answersLate, bool isFetched)
    {
        FetchWatch watch = new() { KeepsAll = true };
        using MergedComputer machine = new(2, MergeMethod.Hardware, new() { AnswersLate = answersLate });
        machine.Engine!.Observer = watch;
        bool found = machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest guest = (await Start(machine))[0];
                HashSet<uint> unlinked = [.. Enumerable.Range(0, Unlinked).Select(_ => guest.AddToRing(0))];

                // The engine stands near the beginning of the ring, which is longer than what a VM has in a round.
                HashSet<uint> first = [.. guest.Ring.Skip(1).Take(Unlinked / 2)];
                await machine.Host.Loop.Delay(FrameNs);
                while (!first.Contains(watch.Seen.LastOrDefault(static fetch => fetch is { IsPeriodic: false, Slot: 0 }).Address))
                    await machine.Host.Loop.Delay(MicroframeNs / 4);
                guest.Write(guest.Ring[0], new LinkPointer { Type = LinkType.QueueHead, Address = guest.Ring[0] });
                guest.Command = guest.Command with { AsyncAdvanceDoorbell = true };
                while (!guest.Status.AsyncAdvance)
                    await machine.Host.Loop.Delay(1_000);
                watch.Seen.Clear();
                await machine.Host.Loop.Delay(3 * FrameNs);
                Assert.Contains(watch.Seen, fetch => fetch.Address == guest.Ring[0]);
                return watch.Seen.Exists(fetch => unlinked.Contains(fetch.Address));
            },
            PatienceNs);
        Assert.Equal(isFetched, found);
    }

    [Theory]
    [InlineData(false, true, false)]
    [InlineData(true, true, true)]
    [InlineData(false, false, true)]
    public void Without_a_requester_id_for_each_guest_or_without_addresses_a_guest_does_not_find_what_is_on_its_disk(bool sharesRequester, bool replacesAddresses, bool fails)
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware, new() { SharesRequester = sharesRequester, Addresses = new() { IsOn = replacesAddresses } });
        byte[][] contents = [.. Enumerable.Range(0, 2).Select(number => DiskReader.Content(sectors: 512 + number))];
        for (int number = 0; number < 2; number++)
            machine.Controller.Usb.Ports[number].Plug(new MassStorageDevice(new MemoryDiskImage(contents[number])));
        byte[][] found = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                return await Task.WhenAll(Enumerable.Range(0, 2).Select(number => MergedDeviceTests.Read(machine, number)));
            },
            10 * PatienceNs);
        Assert.Equal(fails, !found[0].SequenceEqual(contents[0]) || !found[1].SequenceEqual(contents[1]));
    }

    [Fact]
    public void Under_one_requester_id_a_guest_reads_into_the_memory_of_another_and_under_its_own_it_does_not()
    {
        Assert.True(Reaches(sharesRequester: true));
        Assert.False(Reaches(sharesRequester: false));
    }

    [Theory]
    [InlineData(MergeMethod.Hardware, true)]
    [InlineData(MergeMethod.Hardware, false)]
    [InlineData(MergeMethod.Software, true)]
    [InlineData(MergeMethod.Software, false)]
    public void With_one_head_a_disk_is_read_as_fast_beside_an_idle_guest_as_alone_and_with_several_it_is_not(MergeMethod method, bool hidesHeads)
    {
        ulong alone = TimeToRead(method, guests: 1, hidesHeads), beside = TimeToRead(method, guests: 3, hidesHeads);
        Assert.Equal(hidesHeads, beside < alone + (alone / 4));
    }

    [Fact]
    public void No_vm_has_more_than_its_share_of_a_microframe_and_all_together_have_no_more_than_may_be_promised()
    {
        FetchWatch watch = new();
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        machine.Engine!.Observer = watch;
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine, new() { PeriodicShareNs = 60_000 });
                for (int round = 0; round < 4; round++)
                {
                    int frame = (int)(machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3) + 3;
                    foreach (PaperGuest guest in guests)
                    {
                        for (int count = 0; count < 2; count++)
                            guest.AddIsochronous(frame, slots: 1, isSplit: false, bytes: 2048);
                    }

                    await machine.Host.Loop.Delay(5 * FrameNs);

                    // Of four slots of 45 µs in one microframe two are executed, one of each VM.
                    Assert.All(guests, guest => Assert.Equal(1, guest.Frame(frame & 1023).Count(entry => !guest.Read<IsochronousSlot>((uint)entry.Address + IsochronousTransferDescriptor.SlotsOffset).Active)));
                }
            },
            PatienceNs);
        Assert.All(machine.Guests, vm => Assert.Equal(4ul, machine.Sharing.StatisticsOf(vm).Unadmitted));
    }

    [Fact]
    public void A_guest_whose_ring_has_no_end_takes_nobody_elses_turns_and_stops_when_it_is_told_to()
    {
        ulong alone = TimeBeside(isEndless: false), beside = TimeBeside(isEndless: true);
        Assert.InRange(beside, alone, 8 * alone);
    }

    [Fact]
    public void A_way_into_the_frame_before_leads_along_queues_of_its_guest_alone_in_two_microframes_and_comes_back_whatever_is_there()
    {
        FetchWatch watch = new() { KeepsAll = true };
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        machine.Engine!.Observer = watch;
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine);
                foreach (PaperGuest guest in guests)
                    guest.AddInterrupt(1, 0, 1);
                uint[] queues = [.. guests.Select(static guest => guest.Queues(0).Single())];
                foreach ((PaperGuest guest, uint queue) in guests.Zip(queues))
                {
                    // queue -> node, whose normal path ends, and whose back path is: b -> isochronous -> c, and its end, with no node that says so.
                    guest.Write(BackAt, EhciBench.Queue(4, 2, 8, 0, isHead: false) with { Horizontal = new() { Type = LinkType.SplitIsochronousTransfer, Address = PassedAt } });
                    guest.Write(PassedAt, new SplitIsochronousTransferDescriptor { Next = new() { Type = LinkType.QueueHead, Address = BackAt + 0x100 }, Back = new() { Terminate = true } });
                    guest.Write(BackAt + 0x100, EhciBench.Queue(4, 2, 8, 0, isHead: false) with { Horizontal = new() { Terminate = true } });
                    guest.Write(SpanAt, new FrameSpanNode(new() { Terminate = true }, new() { Type = LinkType.QueueHead, Address = BackAt }));
                    guest.Write(queue, new LinkPointer { Type = LinkType.FrameSpan, Address = SpanAt });
                }

                await machine.Host.Loop.Delay(2 * FrameNs);
                watch.Seen.Clear();
                await machine.Host.Loop.Delay(4 * FrameNs);
                foreach (IGrouping<uint, MergeFetch> microframe in watch.Seen.Where(static fetch => fetch is { IsPeriodic: true, Slot: >= 0 }).GroupBy(static fetch => fetch.FrameIndex))
                {
                    (int Slot, uint Address)[] found = [.. microframe.Select(static fetch => (fetch.Slot, fetch.Address))];
                    int first = found[0].Slot;
                    uint[] back = (microframe.Key & 7) < 2 ? [BackAt, BackAt + 0x100] : [];
                    Assert.Equal([.. ((int[])[first, 1 - first]).SelectMany(slot => (IEnumerable<(int, uint)>)[(slot, queues[slot]), .. back.Select(address => (slot, address))])], found);
                }
            },
            PatienceNs);
        Assert.All(machine.Guests, vm => Assert.Equal(0ul, machine.Sharing.StatisticsOf(vm).HostSystemErrors));
    }

    [Fact]
    public void A_guest_that_counts_frames_by_itself_has_its_own_frames_fetched()
    {
        FetchWatch watch = new();
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        machine.Engine!.Observer = watch;
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine);
                guests[1].Command = default;
                await machine.Host.Loop.Delay(5 * FrameNs);
                guests[1][EhciOperationalOffsets.FrameIndex] = 8 * 700;
                guests[1].Run();
                await machine.Host.Loop.Delay(2 * FrameNs);
                guests[1].AddInterrupt(1024, 705, 1);
                int seen = 0;
                for (int waited = 0; waited < 200; waited++)
                {
                    await machine.Host.Loop.Delay(MicroframeNs / 2);
                    seen += watch.Frame.Count;
                    Assert.True(watch.Frame.Count == 0 || guests[1][EhciOperationalOffsets.FrameIndex] >> 3 is 705 or 706);
                }

                Assert.NotEqual(0, seen);
            },
            PatienceNs);
    }

    [Fact]
    public void The_vmm_reads_no_schedule_and_copies_nothing()
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        byte[] content = DiskReader.Content(sectors: 200);
        machine.Controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        machine.Host.Loop.Run(async () =>
        {
            await machine.Start();
            Assert.Equal(content, await MergedDeviceTests.Read(machine, 0));
        }, PatienceNs);
        MergeStatistics statistics = machine.Sharing.StatisticsOf(machine.Guests[0]);
        Assert.NotEqual(0ul, statistics.RegisterWrites);
        Assert.Equal(
            (0ul, 0ul, 0ul, 0ul, 0ul),
            (statistics.Scans, statistics.NodesVisited, statistics.StructureBytes, statistics.TransfersCopied, statistics.ProtectedStores));
    }

    [Fact]
    public void Functions_of_the_engine_go_to_no_vm_and_an_ordinary_controller_has_none()
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware), ordinary = new(2);
        machine.Host.Loop.Run(async () =>
        {
            await machine.Start();
            AssignmentResult result = await machine.Host.AssignmentOf(machine.Engine!.Lanes[0].Source).Assign(machine.Guests[0], new(0, 5, 0));
            Assert.False(result.IsDone);
            Assert.True(await machine.Sharing.Release());
        }, PatienceNs);
        Assert.Null(ordinary.Host.Loop.Run(async () => await MergedUsbController.Start(ordinary.Host, ordinary.Controller.Source, new() { Method = MergeMethod.Hardware })));
    }

    // How long it takes to read a disk beside a guest with a long ring, in nanoseconds.
    private static ulong TimeBeside(bool isEndless)
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware);
        byte[] content = DiskReader.Content(sectors: 64);
        machine.Controller.Usb.Ports[1].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        ulong took = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                PaperGuest guest = new(machine.Guests[0], await machine.Open(0), FrameListSize.Elements1024);
                PciDevice other = await machine.Open(1);
                for (int more = 0; isEndless && more < 300; more++)
                    _ = guest.AddToRing(more);

                // Round and round without the head, which is the first.
                if (isEndless)
                    guest.Write(guest.Ring[^1], new LinkPointer { Type = LinkType.QueueHead, Address = guest.Ring[1] });
                guest.Run();
                ulong startNs = machine.Host.Loop.NowNs;
                Assert.Equal(content, await DiskReader.ReadAll(other, 2));
                ulong endNs = machine.Host.Loop.NowNs;
                Assert.False(guest.Status.HostSystemError);
                guest.Command = guest.Command with { AsyncEnable = false };
                await machine.Host.Loop.Delay(5 * FrameNs);
                Assert.False(guest.Status.AsyncActive);
                return endNs - startNs;
            },
            PatienceNs);
        Assert.All(machine.Guests, vm => Assert.Equal(0ul, machine.Sharing.StatisticsOf(vm).HostSystemErrors));
        return took;
    }

    // Both guests have the same queue at the same place, and the second one alone runs. Whose queue is executed?
    private static bool Reaches(bool sharesRequester)
    {
        using MergedComputer machine = new(2, MergeMethod.Hardware, new() { SharesRequester = sharesRequester });
        return machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                PaperGuest[] guests = new PaperGuest[2];
                for (int number = 0; number < guests.Length; number++)
                {
                    guests[number] = new(machine.Guests[number], await machine.Open(number), FrameListSize.Elements1024);
                    guests[number].Write(guests[number].AddToRing(0) + QueueHead.OverlayOffset, new TransferDescriptor
                    {
                        Next = new() { Terminate = true },
                        AlternateNext = new() { Terminate = true },
                        Token = new() { Active = true, PacketId = PacketId.In, TotalBytes = 512, ErrorCount = 3 },
                        Page0 = new(new(0x30_0000)),
                    });
                }

                guests[1].Run();
                await machine.Host.Loop.Delay(5 * FrameNs);
                bool[] isActive = [.. guests.Select(static guest => guest.Read<TransferToken>(guest.Ring[1] + QueueHead.OverlayOffset + TransferDescriptor.TokenOffset).Active)];
                Assert.Single(isActive, false);
                return !isActive[0];
            },
            PatienceNs);
    }

    private static ulong TimeToRead(MergeMethod method, int guests, bool hidesHeads)
    {
        using MergedComputer machine = new(guests, method, new() { HidesHeads = hidesHeads });
        byte[] content = DiskReader.Content(sectors: 1024);
        machine.Controller.Usb.Ports[0].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        return machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Without = hidesHeads ? MergeSteps.None : MergeSteps.Heads });
                PciDevice device = await machine.Open(0);
                for (int number = 1; number < guests; number++)
                    new PaperGuest(machine.Guests[number], await machine.Open(number), FrameListSize.Elements1024).Run();
                ulong startNs = machine.Host.Loop.NowNs;
                Assert.Equal(content, await DiskReader.ReadAll(device, 1));
                return machine.Host.Loop.NowNs - startNs;
            },
            PatienceNs);
    }

    private static async Task<PaperGuest[]> Start(MergedComputer machine, MergeOptions? options = null)
    {
        await machine.Start(options);
        PaperGuest[] guests = new PaperGuest[machine.Guests.Count];
        for (int number = 0; number < guests.Length; number++)
        {
            guests[number] = new(machine.Guests[number], await machine.Open(number), FrameListSize.Elements1024);
            guests[number].Run();
        }

        await machine.Host.Loop.Delay(5 * FrameNs);
        return guests;
    }
}
