using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Where merging ends: doorbells, bus time, schedules that no controller could run, and what a guest costs when nothing changes.</summary>
public sealed class MergedLimitTests
{
    private const uint NodeAt = 0x21_0000;
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 60_000_000_000;
    private const uint Beyond = 0x00F0_0000;

    [Theory]
    [InlineData(DiscoveryMethod.Scan, MergeSteps.None, false)]
    [InlineData(DiscoveryMethod.WriteProtection, MergeSteps.None, false)]
    [InlineData(DiscoveryMethod.Scan, MergeSteps.Doorbell, true)]
    public void When_a_doorbell_is_answered_what_the_guest_unlinked_is_not_executed_any_more(DiscoveryMethod discovery, MergeSteps without, bool isStillThere)
    {
        using MergedComputer machine = new(1);
        bool found = machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest guest = (await Start(machine, new() { Discovery = discovery, Without = without }))[0];
                _ = guest.AddToRing(0);
                await machine.Host.Loop.Delay(3 * FrameNs);
                uint removed = guest.RemoveFromRing(0);
                guest.Command = guest.Command with { AsyncAdvanceDoorbell = true };
                while (!guest.Status.AsyncAdvance)
                    await machine.Host.Loop.Delay(1_000);
                return machine.Sharing.Picture!.Async.Any(structure => structure.GuestAddress.Value == removed);
            },
            PatienceNs);
        Assert.Equal(isStillThere, found);
    }

    public static TheoryData<MergeMethod, string> Hostile()
    {
        TheoryData<MergeMethod, string> cases = [];
        foreach (string what in (string[])["cycle of frames", "frame span onto itself", "isochronous onto itself", "ring outside memory", "frame list outside memory", "buffer outside memory"])
        {
            cases.Add(MergeMethod.Software, what);
            cases.Add(MergeMethod.Hardware, what);
        }

        // Copies of it would fill the VMM's memory; an engine goes round it for ever, a little in each round.
        cases.Add(MergeMethod.Software, "ring without end");

        // A way into the frame before is not gone where lists are copied.
        cases.Add(MergeMethod.Hardware, "way back without end");
        return cases;
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_guest_whose_lists_no_controller_could_run_stops_its_own_controller_and_no_other(MergeMethod method, string what)
    {
        using MergedComputer machine = new(2, method);
        byte[] content = DiskReader.Content(sectors: 64);
        machine.Controller.Usb.Ports[1].Plug(new MassStorageDevice(new MemoryDiskImage(content)));
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                PaperGuest guest = new(machine.Guests[0], await machine.Open(0), FrameListSize.Elements1024);
                PciDevice other = await machine.Open(1);
                guest.Run();
                await machine.Host.Loop.Delay(5 * FrameNs);
                Task<byte[]> reading = DiskReader.ReadAll(other, 2);
                Attack(guest, what);
                for (int waited = 0; !guest.Status.HostSystemError && waited < 10; waited++)
                    await machine.Host.Loop.Delay(FrameNs);
                Assert.True(guest.Status is { HostSystemError: true, Halted: true });
                Assert.Equal(content, await reading);

                // After a reset it runs again.
                guest.Command = new() { Reset = true };
                await machine.Host.Loop.Delay(5 * FrameNs);
                Assert.True(guest is { Command.Reset: false, Status: { Halted: true, HostSystemError: false } });
            },
            PatienceNs);
        Assert.Equal(machine.Engine is { } engine ? machine.Host.Faults.CountOf(engine.Lanes[0].Source) : 0, machine.Host.Faults.Total);
        Assert.Equal(1ul, machine.Sharing.StatisticsOf(machine.Guests[0]).HostSystemErrors);
        Assert.Equal(0ul, machine.Sharing.StatisticsOf(machine.Guests[1]).HostSystemErrors);
    }

    [Fact]
    public void What_has_no_place_in_the_bus_time_of_a_microframe_is_not_merged_and_it_is_not_always_that_of_the_same_guest()
    {
        using MergedComputer machine = new(2);
        int[] had = new int[2];
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine, new());
                for (int round = 0; round < 8; round++)
                {
                    int frame = CurrentFrame(machine) + 3;
                    foreach (PaperGuest guest in guests)
                        guest.AddIsochronous(frame, slots: 1, isSplit: false, bytes: 3072);
                    while (CurrentFrame(machine) != (frame & 1023))
                        await machine.Host.Loop.Delay(FrameNs / 16);
                    MergedStructure merged = Assert.Single(machine.Sharing.Picture!.Frame(frame & 1023));
                    had[merged.Machine.Number]++;
                    await machine.Host.Loop.Delay((ulong)(1 + (round & 1)) * FrameNs);
                }

                // An interrupt queue that would take more than is left stays out; one that fits does not.
                guests[0].AddInterrupt(1, 0, 1, packetBytes: 1024, multiplier: 3);
                await machine.Host.Loop.Delay(3 * FrameNs);
                guests[1].AddInterrupt(1, 0, 1, packetBytes: 1024, multiplier: 3);
                guests[1].AddInterrupt(2, 0, 1);
                await machine.Host.Loop.Delay(3 * FrameNs);
                Assert.Equal(2, machine.Sharing.Picture!.Frame(0).Count);
                Assert.Single(machine.Sharing.Picture!.Frame(1));
            },
            PatienceNs);
        Assert.All(had, count => Assert.InRange(count, 1, 7));
    }

    [Theory]
    [InlineData(MergeMethod.Software)]
    [InlineData(MergeMethod.Hardware)]
    public void Memory_of_one_guest_is_never_reached_for_another_whatever_it_names(MergeMethod method)
    {
        using MergedComputer machine = new(2, method);
        byte[] canary = new byte[1 << 20];
        new Random(7).NextBytes(canary);
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine, new());
                Assert.True(machine.Guests[1].Cpu.TryWrite(new(0x30_0000), canary.AsSpan(0, 0x10_0000 - 0x1000)));
                Random random = new(1);
                for (int round = 0; round < 40; round++)
                {
                    // An IN of a queue whose pointers have any upper half, the window of the other guest among them.
                    uint queue = guests[0].AddToRing(0);
                    uint high = round % 2 == 0 ? 0x200u : (uint)random.Next();
                    guests[0].Write(queue + QueueHead.OverlayOffset, new TransferDescriptor
                    {
                        Next = new() { Terminate = true },
                        AlternateNext = new() { Terminate = true },
                        Token = new() { Active = true, PacketId = PacketId.In, TotalBytes = 512, ErrorCount = 3 },
                        Page0 = new(new(0x30_0000)),
                        High0 = new(high),
                    });
                    guests[0].Run();
                    await machine.Host.Loop.Delay(3 * FrameNs);
                    guests[0].Command = new() { Reset = true };
                    await machine.Host.Loop.Delay(3 * FrameNs);
                    guests[0].Setup();
                }
            },
            PatienceNs);
        byte[] after = new byte[0x10_0000 - 0x1000];
        Assert.True(machine.Guests[1].Cpu.TryRead(new(0x30_0000), after));
        Assert.True(canary.AsSpan(0, after.Length).SequenceEqual(after));
        Assert.Equal(machine.Engine is { } engine ? machine.Host.Faults.CountOf(engine.Lanes[0].Source) : 0, machine.Host.Faults.Total);
    }

    [Theory]
    [InlineData(MergeMethod.Software, DiscoveryMethod.Scan)]
    [InlineData(MergeMethod.Software, DiscoveryMethod.WriteProtection)]
    [InlineData(MergeMethod.Hardware, DiscoveryMethod.Scan)]
    public void Schedules_that_do_not_change_cost_no_memory_of_the_program(MergeMethod method, DiscoveryMethod discovery)
    {
        using MergedComputer machine = new(2, method);
        machine.Host.Loop.Run(
            async () =>
            {
                foreach (PaperGuest guest in await Start(machine, new() { Discovery = discovery }))
                {
                    _ = guest.AddToRing(0);
                    guest.AddInterrupt(4, 1, 1);
                    guest.AddInterrupt(1, 0, 2);
                }

                await machine.Host.Loop.Delay(200 * FrameNs);
            },
            PatienceNs);
        machine.Host.Loop.RunFor(FrameNs);
        Allocation.CheckNone(20, _ => machine.Host.Loop.RunFor(5 * FrameNs));
    }

    [Fact]
    public void A_guest_that_counts_frames_by_itself_has_its_own_frames_merged()
    {
        using MergedComputer machine = new(2);
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine, new());
                guests[1].Command = default;
                await machine.Host.Loop.Delay(5 * FrameNs);
                guests[1][EhciOperationalOffsets.FrameIndex] = 8 * 700;
                guests[1].Run();
                await machine.Host.Loop.Delay(2 * FrameNs);
                guests[1].AddInterrupt(1024, 705, 1);
                await machine.Host.Loop.Delay(2 * FrameNs);
                int ahead = (int)(guests[1][EhciOperationalOffsets.FrameIndex] >> 3) - CurrentFrame(machine);
                Assert.Single(machine.Sharing.Picture!.Frame((705 - ahead) & 1023));
            },
            PatienceNs);
    }

    [Theory]
    [InlineData(MergeMethod.Software)]
    [InlineData(MergeMethod.Hardware)]
    public void A_controller_that_is_pulled_out_fails_for_all_its_guests_and_can_be_taken_from_them(MergeMethod method)
    {
        using MergedComputer machine = new(2, method);
        machine.Host.Loop.Run(
            async () =>
            {
                PaperGuest[] guests = await Start(machine, new());
                await machine.Host.HotUnplug(machine.Controller);
                await machine.Host.Loop.Delay(5 * FrameNs);
                Assert.True(machine.Sharing.IsLost);
                Assert.All(guests, guest => Assert.True(guest.Status is { HostSystemError: true, Halted: true }));
                foreach (VirtualMachine vm in machine.Guests)
                    await machine.Sharing.TakeBack(vm);
                Assert.Empty(machine.Sharing.Machines);
                Assert.All(machine.Guests, vm => Assert.Equal(0ul, vm.PinnedPages));
                Assert.True(await machine.Sharing.Release());
            },
            PatienceNs);
    }

    [Theory]
    [InlineData(MergeMethod.Software)]
    [InlineData(MergeMethod.Hardware)]
    public void What_was_taken_for_a_guest_is_given_back_with_its_controller(MergeMethod method)
    {
        using MergedComputer machine = new(1, method);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                ulong frames = machine.Host.Frames.CountOf(FrameOwner.Vmm);
                for (int round = 0; round < 3; round++)
                {
                    PaperGuest guest = new(machine.Guests[0], await machine.Open(0), FrameListSize.Elements1024);
                    guest.Run();
                    guest.AddInterrupt(4, 0, 1);
                    guest.AddIsochronous(CurrentFrame(machine) + 3, slots: 0xFF, isSplit: false);
                    await machine.Host.Loop.Delay(5 * FrameNs);
                    await machine.Sharing.TakeBack(machine.Guests[0]);
                    Assert.Equal(0ul, machine.Guests[0].PinnedPages);
                }

                // Tables of the domain stay where the next guest will be.
                Assert.InRange(machine.Host.Frames.CountOf(FrameOwner.Vmm), frames, frames + 4);
                Assert.Empty(machine.Sharing.Picture?.Async ?? []);
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    private static int CurrentFrame(MergedComputer machine) => (int)(machine.Sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3) & 1023;

    private static async Task<PaperGuest[]> Start(MergedComputer machine, MergeOptions options)
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

    private static void Attack(PaperGuest guest, string what)
    {
        uint queue = guest.AddToRing(0);
        switch (what)
        {
            case "cycle of frames":
                guest.AddInterrupt(1, 0, 1);
                guest.AddInterrupt(1, 0, 1);
                guest.Write((uint)guest.Frame(0).Last().Address, new LinkPointer { Type = LinkType.QueueHead, Address = guest.Frame(0).First().Address });
                break;
            case "frame span onto itself":
                guest.AddInterrupt(1, 0, 1);
                guest.Write(NodeAt, new FrameSpanNode(new() { Type = LinkType.FrameSpan, Address = NodeAt }, new() { Terminate = true }));
                guest.Write(guest.Queues(0).First(), new LinkPointer { Type = LinkType.FrameSpan, Address = NodeAt });
                break;
            case "isochronous onto itself":
                int[] frames = [.. Enumerable.Range(0, guest.Frames / 8).Select(static index => 8 * index)];
                foreach (int frame in frames)
                    guest.AddIsochronous(frame, slots: 0, isSplit: false);
                foreach (uint own in frames.Select(frame => guest.Frame(frame).First().Address))
                    guest.Write(own, new LinkPointer { Type = LinkType.IsochronousTransfer, Address = own });
                break;
            case "way back without end":
                guest.AddInterrupt(1, 0, 1);
                guest.AddInterrupt(1024, 1000, 1);
                uint back = guest.Queues(1000).First();
                guest.Write(back, new LinkPointer { Type = LinkType.QueueHead, Address = back });
                guest.Write(NodeAt, new FrameSpanNode(new() { Terminate = true }, new() { Type = LinkType.QueueHead, Address = back }));
                guest.Write(guest.Queues(0).Single(), new LinkPointer { Type = LinkType.FrameSpan, Address = NodeAt });
                break;
            case "ring without end":
                for (int more = 0; more < 300; more++)
                    _ = guest.AddToRing(0);
                break;
            case "ring outside memory":
                guest.Write(queue, new LinkPointer { Type = LinkType.QueueHead, Address = Beyond });
                break;
            case "frame list outside memory":
                guest.Command = guest.Command with { PeriodicEnable = false };
                guest[EhciOperationalOffsets.PeriodicListBase] = Beyond;
                guest.Command = guest.Command with { PeriodicEnable = true };
                break;
            default:
                guest.Write(queue + QueueHead.OverlayOffset, new TransferDescriptor
                {
                    Next = new() { Terminate = true },
                    AlternateNext = new() { Terminate = true },
                    Token = new() { Active = true, PacketId = PacketId.Out, TotalBytes = 512, ErrorCount = 3 },
                    Page0 = new(new(Beyond)),
                });
                break;
        }
    }
}
