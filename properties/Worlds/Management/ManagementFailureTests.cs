using System.Text;
using Dma.Hal.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Each way in which a guest, a destination, a host or a core can go wrong, and what becomes of it.</summary>
public sealed class ManagementFailureTests
{
    private static readonly ManagementRequest _receive = new() { Command = ManagementCommand.Receive };

    [Theory]
    [InlineData("../secret")]
    [InlineData("a/../../secret")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("a\\..\\b")]
    [InlineData("C:secret")]
    [InlineData("a\0b")]
    [InlineData("aux.txt")]
    [InlineData("a/LPT1")]
    [InlineData("ends with a dot.")]
    [InlineData("ends with a space ")]
    public void A_name_that_leads_elsewhere_is_refused_whatever_is_asked_for_it(string name)
    {
        using ManagementWorld world = new();
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        foreach (ManagementCommand command in (ManagementCommand[])[ManagementCommand.OpenFile, ManagementCommand.RemoveFile, ManagementCommand.ListFiles])
            Assert.Equal(ManagementResult.BadName, world[0].Run(new() { Command = command, Argument = 7 * (ulong)(command == ManagementCommand.OpenFile ? 1 : 0) }, bytes, 16).Completion.Result);
        Assert.Empty(world.Folders[0].Files);
    }

    [Theory]
    [InlineData(ManagementCommand.OpenFile)]
    [InlineData(ManagementCommand.WriteFile)]
    [InlineData(ManagementCommand.Publish)]
    [InlineData(ManagementCommand.Send)]
    [InlineData(ManagementCommand.Report)]
    [InlineData(ManagementCommand.Sha256)]
    public void An_input_of_any_length_is_refused_before_anything_is_copied(ManagementCommand command)
    {
        using ManagementWorld world = new();
        foreach (uint length in (uint[])[ManagementDevice.TransferBytesMax + 1, int.MaxValue, uint.MaxValue])
        {
            ManagementResult result = world[0].Run(new() { Command = command, Destination = 2, InputLength = length, Input = new(0x2000) }).Completion.Result;
            Assert.True(result is ManagementResult.TooLong or ManagementResult.BadName or ManagementResult.BadRequest, $"{result}");
        }

        Assert.Equal(0ul, world.Core.Counts[0].BytesCopied);
    }

    [Theory]
    [InlineData(ManagementGuest.MemoryBytes)]
    [InlineData(ManagementGuest.MemoryBytes - 4)]
    [InlineData(0xFEE0_0000)]
    [InlineData(0xFEDF_FFFC)]
    [InlineData(ulong.MaxValue - 3)]
    public void An_address_that_is_no_memory_of_the_guest_ends_its_own_request_and_nothing_else(ulong address)
    {
        using ManagementWorld world = new();
        ManagementRequest request = new() { Command = ManagementCommand.Sha256, Input = new(address), InputLength = 8 };
        Assert.Equal(ManagementResult.BufferFault, world[0].Run(request, outputLength: 32).Completion.Result);

        // A message that could not be written stays, and the next request gets it.
        RungRequest sent = world[1].Ring(3, new() { Command = ManagementCommand.Send, Destination = 1 }, "it is here"u8);
        Assert.Equal(ManagementResult.BufferFault, world[0].Run(_receive with { Output = new(address), OutputLength = 16 }).Completion.Result);
        Assert.Empty(world[1].Collect());
        Assert.Equal("it is here"u8, world[0].Run(_receive, outputLength: 16).Output);
        Assert.Equal((sent, ManagementResult.Done), Assert.Single(world[1].Collect().Select(done => (done.Request, done.Completion.Result))));

        // Of a range that is memory in part, the part may have been written.
        if (address != ManagementGuest.MemoryBytes - 4)
            world[0].CheckMemory();
    }

    [Fact]
    public void A_table_that_is_no_memory_frees_its_slots_and_says_so()
    {
        using ManagementWorld world = new();
        ManagementGuest guest = world[0];
        guest.Write(ManagementOffsets.TableLow, 0x8000_0000);
        guest.Write(ManagementOffsets.Doorbell, 0xFF);
        world.Host.Loop.RunFor(1_000_000);
        Assert.Equal((0u, true), (guest.Device.Busy, guest.Status.TableFault));
        guest.Write(ManagementOffsets.Status, new ManagementStatus { TableFault = true }.Raw.Value);
        Assert.False(guest.Status.TableFault);

        // A table that goes away meanwhile, as with bus mastering off: the request is over, and the guest sees that it is.
        guest.Begin();
        _ = guest.Ring(2, _receive, outputLength: 16);
        world.Host.Loop.RunFor(10_000);
        guest.Machine.Pci.WriteConfiguration(guest.Device.Source, PciOffset.Command, 2, (uint)PciCommand.MemorySpace);
        guest.Write(ManagementOffsets.Cancel, 1 << 2);
        world.Host.Loop.RunFor(10_000);
        Assert.Equal((0u, true), (guest.Device.Busy, guest.Status.TableFault));
    }

    [Fact]
    public void The_table_stands_still_while_a_slot_is_under_way()
    {
        using ManagementWorld world = new();
        _ = world[0].Ring(1, _receive, outputLength: 16);
        world[0].Write(ManagementOffsets.TableLow, 0x6000);
        world[0].Write(ManagementOffsets.TableHigh, 1);
        Assert.Equal((0u, 0u), (world[0].Read(ManagementOffsets.TableLow), world[0].Read(ManagementOffsets.TableHigh)));
    }

    [Fact]
    public void A_mode_that_is_turned_off_in_the_middle_ends_what_is_under_way_once_and_closes_files()
    {
        using ManagementWorld world = new();
        ManagementGuest guest = world[0];
        uint handle = guest.Run(new() { Command = ManagementCommand.OpenFile, Argument = 3 }, "f"u8).Completion.Source;
        for (int slot = 0; slot < 8; slot++)
            _ = guest.Ring(slot, new() { Command = ManagementCommand.WriteFile, Handle = handle, Argument = (ulong)slot * 40 }, new byte[40]);
        _ = guest.Ring(8, _receive, outputLength: 16);
        world.Host.Loop.RunFor(2_000);
        guest.Write(ManagementOffsets.Mode, (uint)ManagementModes.Calculation);
        world.Host.Loop.RunFor(1_000_000);
        ManagementResult[] results = [.. guest.Collect().Select(done => done.Completion.Result)];
        int done = results.Count(result => result == ManagementResult.Done);
        Assert.InRange(done, 1, 7);
        Assert.Equal([.. Enumerable.Repeat(ManagementResult.Done, done), .. Enumerable.Repeat(ManagementResult.ModeOff, 9 - done)], results);
        Assert.Equal(done * 40, world.Folders[0].Get("f")!.Length);

        guest.Write(ManagementOffsets.Mode, (uint)ManagementModes.All);
        Assert.Equal(ManagementResult.NotFound, guest.Run(new() { Command = ManagementCommand.WriteFile, Handle = handle }, new byte[1]).Completion.Result);

        // Off and on again at one instant is off all the same.
        _ = guest.Ring(5, _receive, outputLength: 16);
        world.Host.Loop.RunFor(10_000);
        guest.Write(ManagementOffsets.Mode, 0);
        guest.Write(ManagementOffsets.Mode, (uint)ManagementModes.All);
        world.Host.Loop.RunFor(10_000);
        Assert.Equal(ManagementResult.Cancelled, Assert.Single(guest.Collect()).Completion.Result);
    }

    [Fact]
    public void A_storm_of_requests_costs_its_sender_and_nobody_else()
    {
        using ManagementWorld world = new(grant: _ => new() { RequestsPerMillisecond = 20 });
        ulong quiet = Latency(world);
        ulong storm = 0;
        ulong before = world.Core.Counts[0].RequestsFinished;
        const int Rounds = 100;
        for (int round = 0; round < Rounds; round++)
        {
            Assert.True(world.Core.Counts[0].RequestsFinished - before <= (ulong)(ManagementGrant.Burst + 1 + (round * 4)));
            for (int slot = 0; slot < ManagementGuest.Slots; slot++)
            {
                if ((world[0].Device.Busy >> slot & 1) == 0)
                    world[0].Put(slot, new() { Command = ManagementCommand.Sha256, Input = new(0x2000), InputLength = 256, Output = new(0x4000), OutputLength = 32 });
            }

            world[0].Write(ManagementOffsets.Doorbell, uint.MaxValue);
            storm = Math.Max(storm, Latency(world));
            world.Host.Loop.RunFor(180_000);
        }

        // Its neighbour waits for one request of the storm at most.
        Assert.InRange(storm, quiet, quiet + 3_000);
    }

    [Fact]
    public void A_flood_of_messages_fills_the_room_of_its_sender_and_the_other_one_gets_through()
    {
        using ManagementWorld world = new(guests: 3);
        for (int slot = 0; slot < 12; slot++)
            _ = world[0].Ring(slot, new() { Command = ManagementCommand.Send, Destination = 3 }, [(byte)slot]);
        world.Host.Loop.RunFor(1_000_000);
        Assert.Equal([8, 9, 10, 11], world[0].Collect().Select(done => done.Completion.Result == ManagementResult.InboxFull ? done.Request.Slot : -1));
        _ = world[1].Ring(0, new() { Command = ManagementCommand.Send, Destination = 3 }, [99]);
        byte[] received = [.. Enumerable.Range(0, 9).SelectMany(_ => world[2].Run(_receive, outputLength: 4).Output)];
        Assert.Equal([0, 99, 1, 2, 3, 4, 5, 6, 7], received);
    }

    [Fact]
    public void Who_sent_a_message_is_whose_device_it_came_by()
    {
        using ManagementWorld world = new(guests: 3);
        _ = world[0].Ring(4, new() { Command = ManagementCommand.Send, Destination = 2, ClaimedSource = 3 }, "it was not me"u8);
        Assert.Equal(1u, world[1].Run(_receive, outputLength: 64).Completion.Source);
        Assert.Equal(ManagementResult.NameTaken, world[0].Run(new() { Command = ManagementCommand.Publish, ClaimedSource = 0 }, "host"u8).Completion.Result);
    }

    [Fact]
    public void A_destination_that_dies_or_resets_sends_nothing_back_but_the_news()
    {
        foreach (bool dies in (bool[])[true, false])
        {
            using ManagementWorld world = new(guests: 3);
            _ = world[1].Run(new() { Command = ManagementCommand.Publish }, "printer"u8);
            _ = world[0].Ring(4, new() { Command = ManagementCommand.Send, Destination = 2 }, "page"u8);
            world.Host.Loop.RunFor(10_000);
            if (dies)
                world.Destroy(1);
            else
                world[1].Begin();
            world.Host.Loop.RunFor(10_000);
            Assert.Equal(ManagementResult.NoDestination, Assert.Single(world[0].Collect()).Completion.Result);
            Assert.Equal(ManagementResult.NotFound, world[0].Run(new() { Command = ManagementCommand.Find }, "printer"u8).Completion.Result);

            // A VM that comes later is somebody else.
            if (!dies)
                continue;
            VirtualMachine next = world.Host.CreateMachine("another", ManagementGuest.MemoryBytes);
            ManagementGuest another = new(next, world.Core.Plug(next, 4, new()));
            Assert.Equal(4u, another.Self);
            Assert.Equal(ManagementResult.NoDestination, world[0].Run(new() { Command = ManagementCommand.Send, Destination = 2 }, "page"u8).Completion.Result);
        }
    }

    [Fact]
    public void A_reset_in_the_middle_leaves_no_completion_and_no_message_behind()
    {
        using ManagementWorld world = new();
        _ = world[0].Ring(7, _receive, outputLength: 64);
        _ = world[0].Ring(8, new() { Command = ManagementCommand.Send, Destination = 2 }, "of before"u8);
        world.Host.Loop.RunFor(10_000);
        world[0].Begin();
        _ = world[1].Ring(0, new() { Command = ManagementCommand.Send, Destination = 1 }, "of after"u8);
        world.Host.Loop.RunFor(10_000);
        Assert.Equal((ManagementResult.None, ManagementResult.None), (world[0].CompletionOf(7).Result, world[0].CompletionOf(8).Result));
        byte[] buffer = new byte[8];
        Assert.True(world[0].Machine.Cpu.TryRead(new(ManagementGuest.OutputOf(7)), buffer));
        Assert.All(buffer, value => Assert.Equal(0xEE, value));
        Assert.Equal("of after"u8, world[0].Run(_receive, outputLength: 64).Output);
        Assert.Equal(ManagementResult.Done, Assert.Single(world[1].Collect()).Completion.Result);
        Assert.Equal(0, world.Core.InboxOf(world[1].Machine));
    }

    [Fact]
    public void An_interrupt_never_comes_before_the_completion_that_it_tells_of()
    {
        using ManagementWorld world = new();
        ManagementGuest guest = world[0];

        // The message of the interrupt is a write: let it fall into the completion itself. What is there in the end came last.
        ulong at = (5 * (ulong)ManagementRequest.SlotBytes) + ManagementRequest.CompletionOffset;
        ulong table = guest.Device.DecodedAt(0)!.Value + ManagementOffsets.MessageTable;
        guest.Machine.Cpu.Store(new(table), 4, at);
        guest.Machine.Cpu.Store(new(table + 4), 4, 0);
        guest.Machine.Cpu.Store(new(table + 8), 4, 0xCAFE);
        guest.Machine.Cpu.Store(new(table + 12), 4, 0);
        int capability = guest.Device.Capabilities.First(found => found is MsixCapability).Offset;
        guest.Machine.Pci.WriteConfiguration(guest.Device.Source, capability + 2, 2, 0x8000);
        guest.Write(ManagementOffsets.InterruptEnable, new ManagementStatus { SlotFinished = true }.Raw.Value);
        guest.Put(5, new() { Command = ManagementCommand.Crc32C, Input = new(0x2000), InputLength = 8, Output = new(0x4000), OutputLength = 4, Tag = 77 });
        guest.Write(ManagementOffsets.Doorbell, 1 << 5);
        world.Host.Loop.RunFor(100_000);
        Assert.Equal((0xCAFEul, 77u), (guest.CompletionOf(5).Raw.Bits(31, 0), guest.CompletionOf(5).Tag));
    }

    [Fact]
    public void A_slot_that_is_rung_again_while_it_is_under_way_is_not_done_twice()
    {
        using ManagementWorld world = new();
        uint handle = world[0].Run(new() { Command = ManagementCommand.OpenFile, Argument = 3 }, "f"u8).Completion.Source;
        _ = world[0].Ring(1, new() { Command = ManagementCommand.Send, Destination = 0 }, "once"u8);
        world[0].Write(ManagementOffsets.Doorbell, 1 << 1);
        world.Host.Loop.RunFor(10_000);
        world[0].Write(ManagementOffsets.Doorbell, 1 << 1);
        world.Host.Loop.RunFor(10_000);
        Assert.Equal(1, world.Core.Mailbox.Count);
        Assert.True(world.Core.Mailbox.TryReceive(out uint source, out _));
        Assert.Equal((1u, false), (source, world.Core.Mailbox.TryReceive(out _, out _)));
        Assert.NotEqual(0u, handle);
    }

    [Fact]
    public void A_core_that_fails_ends_what_it_had_taken_and_serves_what_it_had_not()
    {
        using ManagementWorld world = new();
        _ = world[0].Ring(0, _receive, outputLength: 16);
        _ = world[1].Ring(0, _receive, outputLength: 16);
        world.Host.Loop.RunFor(10_000);
        world.Fail();
        _ = world[0].Ring(1, new() { Command = ManagementCommand.Sha256 }, new byte[8], 32);
        world.Host.Loop.RunFor(1_000_000);
        Assert.Empty(world[0].Collect());
        Assert.False(world[0].Status.CoreReady);
        uint self = world[0].Self;
        world.Recover();
        world.Host.Loop.RunFor(10_000);
        Assert.Equal([ManagementResult.CoreLost, ManagementResult.Done], world[0].Collect().Select(done => done.Completion.Result));
        Assert.Equal(ManagementResult.CoreLost, Assert.Single(world[1].Collect()).Completion.Result);
        Assert.Equal((true, true, self), (world[0].Status.CoreReady, world[0].Status.CoreLost, world[0].Self));
    }

    [Fact]
    public void A_core_that_fails_in_the_middle_of_a_request_says_that_nobody_knows_and_the_quota_stays_used()
    {
        using ManagementWorld world = new();
        uint handle = world[0].Run(new() { Command = ManagementCommand.OpenFile, Argument = 3 }, "f"u8).Completion.Source;
        _ = world[0].Ring(1, new() { Command = ManagementCommand.WriteFile, Handle = handle }, new byte[200]);
        Assert.True(world.Host.Loop.RunUntil(() => world.Core.IsBusy));
        world.Fail();
        world.Recover();
        world.Host.Loop.RunFor(10_000);
        Assert.Equal(ManagementResult.CoreLost, Assert.Single(world[0].Collect()).Completion.Result);
        Assert.Equal((200, ManagementWorld.QuotaBytes - 200), (world.Folders[0].Get("f")!.Length, world.Core.QuotaLeftOf(world[0].Machine)));
        Assert.Equal(ManagementResult.NotFound, world[0].Run(new() { Command = ManagementCommand.WriteFile, Handle = handle }, new byte[1]).Completion.Result);
    }

    [Fact]
    public void The_host_hears_that_its_message_was_lost_with_the_core()
    {
        using ManagementWorld world = new();
        Assert.Equal(ManagementResult.CoreLost, world.Host.Loop.Run(async () =>
        {
            Task<ManagementResult> sent = world.Core.Mailbox.Send(1, "hello"u8.ToArray()).AsTask();
            await world.Host.Cpu.Processor.Delay(1_000);
            world.Fail();
            return await sent;
        }));
        world.Recover();
        Assert.Equal(ManagementResult.NoDestination, world.Host.Loop.Run(() => world.Core.Mailbox.Send(9, "nobody"u8.ToArray()).AsTask()));
        Assert.Equal(ManagementResult.TooLong, world.Host.Loop.Run(() => world.Core.Mailbox.Send(1, new byte[ManagementDevice.TransferBytesMax + 1]).AsTask()));
    }

    [Fact]
    public void What_is_not_granted_is_refused_and_a_mode_that_is_not_there_cannot_be_turned_on()
    {
        using ManagementWorld world = new(grant: number => new()
        {
            Modes = number == 0 ? ManagementModes.Files : ManagementModes.All,
            Folder = number == 0 ? new MemoryFolder(isWritable: false) : null,
            SeesOthers = number == 1,
        });
        Assert.Equal((uint)ManagementModes.Files, world[0].Read(ManagementOffsets.Mode));
        Assert.Equal(ManagementResult.NotGranted, world[0].Run(new() { Command = ManagementCommand.Sha256 }, new byte[8], 32).Completion.Result);
        Assert.Equal(ManagementResult.NotGranted, world[0].Run(new() { Command = ManagementCommand.OpenFile, Argument = 3 }, "f"u8).Completion.Result);
        Assert.Equal(ManagementResult.NotGranted, world[0].Run(new() { Command = ManagementCommand.RemoveFile }, "f"u8).Completion.Result);
        Assert.Equal(ManagementResult.BadRequest, world[0].Run(new() { Command = ManagementCommand.OpenFile, Argument = 2 }, "f"u8).Completion.Result);
        Assert.Equal(ManagementResult.NotGranted, world[1].Run(new() { Command = ManagementCommand.ListFiles }, outputLength: 16).Completion.Result);
        Assert.Equal(ManagementResult.Done, world[1].Run(new() { Command = ManagementCommand.Query, Destination = 1 }, outputLength: 64).Completion.Result);
        Assert.Equal(ManagementResult.NoDestination, world[1].Run(new() { Command = ManagementCommand.Query, Destination = 7 }, outputLength: 64).Completion.Result);
        Assert.Equal(ManagementResult.NoRoom, world[1].Run(new() { Command = ManagementCommand.Query }, outputLength: 63).Completion.Result);
    }

    // From the doorbell to the completion, with nothing else to do.
    private static ulong Latency(ManagementWorld world)
    {
        ulong start = world.Host.Loop.NowNs;
        RungRequest rung = world[1].Ring(0, new() { Command = ManagementCommand.Crc32C }, new byte[8], 4);
        Assert.True(world.Host.Loop.RunUntil(() => world[1].CompletionOf(rung.Slot).Result != ManagementResult.None, 1_000_000));
        _ = world[1].Collect();
        return world.Host.Loop.NowNs - start;
    }
}
