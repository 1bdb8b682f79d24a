using Dma.Machine;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A VM moves while its processor and its device write, and finds its memory as it left it; or it stays, and nothing of it is elsewhere.</summary>
public sealed class MigrationTests
{
    public static TheoryData<string> Profiles => ["friendly-scalable", "hostile-scalable", "friendly", "minimal"];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Memory_is_the_same_on_the_other_side_while_guest_and_device_write(string profile) => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue - 1)
        from rest in Gen.Choose(2_000, 60_000)
        from megabytesPerSecond in Gen.Choose(400, 4000)
        from isLazy in Gen.Elements(false, true)
        from isSwapped in Gen.Elements(false, true)
        select (seed, rest, megabytesPerSecond, isLazy, isSwapped),
        given =>
        {
            using MigrationWorld world = new(profile, given.isLazy, (ulong)given.megabytesPerSecond * 1_000_000);
            world.Run(async () =>
            {
                world.Guest.RestNs = (ulong)given.rest;
                world.Guest.Start(given.seed);
                await world.Source.Cpu.Processor.Delay(300_000);
                for (ulong page = 0; given.isSwapped && page < 100; page++)
                    _ = await world.Machine.Mover.SwapOut(new(page * 3 * 4096));
                bool wasIntact = false;
                world.Guest.AtResume = () => wasIntact = world.Guest.IsIntact();
                MigrationReport report = await world.Migrate();
                world.AssertMoved(report);
                Assert.True(wasIntact);
                Assert.Equal(MigrationRoundKind.Stopped, report.Rounds[^1].Kind);
                Assert.Equal(512, report.Rounds[0].Pages);
                Assert.Equal(world.Link.Carried, report.Rounds.Aggregate(0ul, (sum, round) => sum + round.Bytes));

                // What is left fits into the goal, or a guest that writes as fast as the link carries has had all its rounds.
                bool hasConverged = report.Rounds.Count(round => round.Kind == report.Rounds[^2].Kind) < world.Options.RoundsMax;
                Assert.InRange(report.DowntimeNs, 1ul, hasConverged ? 500_000ul : world.Options.DowntimeMaxNs);

                // Life goes on, once the guest has paid for looking at all of its memory.
                await world.Source.Cpu.Processor.Delay(10_000_000);
                Assert.True(world.Guest.IsIntact());
                await world.Guest.ReleaseDevices();
                await world.Guest.Pause();
                Assert.True(world.Guest.IsIntact());
                Assert.Equal(0ul, world.Destination.Frames.Pins);
                Assert.Equal(0ul, world.Source.Faults.Total + world.Destination.Faults.Total);
            });
        },
        4);

    [Theory]
    [InlineData("friendly-scalable")]
    [InlineData("friendly")]
    public void Ignoring_what_the_device_wrote_is_found(string profile)
    {
        using MigrationWorld world = new(profile);
        world.Run(async () =>
        {
            world.Guest.Start(1);
            await world.Source.Cpu.Processor.Delay(300_000);
            bool wasIntact = true;
            world.Guest.AtResume = () => wasIntact = world.Guest.IsIntact();
            Task<MigrationReport> migration = world.Migrate();
            await world.Source.Cpu.Processor.Delay(50_000);
            await world.Assignment.Domain!.StopWriteLog();
            world.AssertMoved(await migration);
            Assert.False(wasIntact);
        });
    }

    [Fact]
    public void Whenever_the_link_breaks_the_VM_stays_and_goes_on()
    {
        foreach (ulong after in (ReadOnlySpan<ulong>)[0, 1_000, 500_000, 1_500_000, 2_000_000, 60_000_000, 200_000_000, 201_900_000])
        {
            using MigrationWorld world = new();
            world.Run(async () =>
            {
                world.Guest.Start((int)after);
                _ = world.Source.Loop.Schedule(after, world.Link.Cut);
                MigrationReport report = await world.Migrate(world.Options with { DowntimeGoalNs = 20_000, RoundsMax = 3, DowntimeMaxNs = ulong.MaxValue });
                if (report.IsDone)
                    Assert.True(report.TotalNs - report.DowntimeNs <= after, $"moved although the link broke after {after} ns");
                else
                    world.AssertStayed(report, MigrationRefusal.LinkBroken);
                await world.Source.Cpu.Processor.Delay(1_000_000);
                Assert.True(world.Guest.IsIntact());
            });
        }
    }

    [Fact]
    public void A_guest_that_writes_faster_than_the_link_carries_stays()
    {
        using MigrationWorld world = new(bytesPerSecond: 20_000_000);
        world.Run(async () =>
        {
            world.Guest.RestNs = 1_000;
            world.Guest.Start(3);
            MigrationReport report = await world.Migrate(world.Options with { RoundsMax = 3, DowntimeMaxNs = 1_000_000 });
            world.AssertStayed(report, MigrationRefusal.NotConverging);
            Assert.Equal(3, report.Rounds.Count);
            Assert.Equal(0, world.Guest.Resumed);

            // With patience for a longer stop it moves.
            world.AssertMoved(await world.Migrate(world.Options with { RoundsMax = 2, DowntimeMaxNs = 1_000_000_000 }));
            Assert.True(world.Guest.IsIntact());
        });
    }

    [Fact]
    public void A_guest_that_keeps_its_device_stays_unless_it_is_forced()
    {
        using MigrationWorld world = new();
        world.Run(async () =>
        {
            world.Guest.KeepsDevices = true;
            world.Guest.Start(4);
            world.AssertStayed(await world.Migrate(), MigrationRefusal.DeviceInUse);
            Assert.True(world.Guest.IsIntact());
            (world.Guest.KeepsDevices, world.Guest.AnswerNs) = (false, 2_000_000_000);
            world.AssertStayed(await world.Migrate(), MigrationRefusal.DeviceInUse);
            await world.Source.Cpu.Processor.Delay(2_000_000_000);
            (world.Guest.KeepsDevices, world.Guest.AnswerNs) = (true, 0);
            world.AssertMoved(await world.Migrate(world.Options with { ForcesDevices = true }));
            Assert.True(world.Guest.IsIntact());
        });
    }

    [Fact]
    public void A_guest_that_does_not_pause_gets_its_device_back()
    {
        using MigrationWorld world = new();
        world.Run(async () =>
        {
            world.Guest.Start(4);
            Task<MigrationReport> migration = world.Migrate(world.Options with { GuestTimeoutNs = 10_000_000 });
            await world.Source.Cpu.Processor.Delay(50_000_000);
            world.Guest.AnswerNs = 20_000_000;
            world.AssertStayed(await migration, MigrationRefusal.NotPaused);
            Assert.Equal(1, world.Guest.Resumed);
            await world.Source.Cpu.Processor.Delay(30_000_000);
            Assert.True(world.Guest.IsIntact());
        });
    }

    [Fact]
    public void What_cannot_be_had_over_there_is_said_before_anything_is_done()
    {
        using MigrationWorld world = new();
        DmaDevice other = new();
        world.Run(async () =>
        {
            world.AssertStayed(await world.Migrate(new()), MigrationRefusal.NoSuchDevice);
            world.AssertStayed(await world.Migrate(With(world, new(0, 9, 0))), MigrationRefusal.NoSuchDevice);
            Assert.True(world.Destination.HotPlug(new ProbeFunction(), 8));
            world.AssertStayed(await world.Migrate(With(world, new(0, 8, 0))), MigrationRefusal.NoSuchDevice);
            world.Machine.Pci.Add(other, 5);
            world.AssertStayed(await world.Migrate(), MigrationRefusal.VirtualDevice);
            world.Machine.Pci.Root.Remove(other);
            DirtyLog log = await DirtyLog.Start(world.Machine);
            Assert.Equal(MigrationRefusal.Busy, (await world.Migrate()).Refusal);
            await log.Stop();
            Assert.Equal(0ul, world.Link.Carried);

            VirtualMachine big = world.Destination.CreateMachine("big", 15 << 20);
            Assert.Equal(MigrationRefusal.NoMemory, (await world.Migrate()).Refusal);
            Assert.True((await world.Destination.AssignmentOf(world.There.Source).Assign(big, new(0, 1, 0))).IsDone);
            Assert.Equal(MigrationRefusal.NoSuchDevice, (await world.Migrate()).Refusal);
            await world.Destination.Destroy(big);
            world.AssertMoved(await world.Migrate());
            Assert.Equal(MigrationRefusal.NotRunning, (await world.Migrate()).Refusal);
            _ = await Assert.ThrowsAsync<ArgumentException>(async () => await Migration.Run(world.Machine, world.Source, world.Link, world.Guest));
        });
    }

    [Fact]
    public void A_VM_that_is_ended_on_either_side_on_the_way_is_nowhere_afterwards()
    {
        foreach (bool isHere in (ReadOnlySpan<bool>)[true, false])
        {
            using MigrationWorld world = new();
            world.Run(async () =>
            {
                Task<MigrationReport> migration = world.Migrate();
                await world.Source.Cpu.Processor.Delay(100_000);
                await (isHere ? world.Source.Destroy(world.Machine) : world.Destination.Destroy(world.Destination.Machines.Single()));
                MigrationReport report = await migration;
                if (!isHere)
                {
                    world.AssertStayed(report, MigrationRefusal.NoMemory);
                    return;
                }

                Assert.Equal(MigrationRefusal.NotRunning, report.Refusal);
                Assert.Empty(world.Source.Machines);
                Assert.Empty(world.Destination.Machines);
            });
        }
    }

    [Fact]
    public void The_local_APIC_goes_along_with_what_waits_in_it()
    {
        using MigrationWorld world = new();
        world.Run(async () =>
        {
            LocalApic apic = world.Machine.Cpu.Gates.Apic;
            (int Offset, uint Value)[] set =
            [
                (LocalApicOffsets.DestinationFormat, 0x0FFF_FFFF), (LocalApicOffsets.LogicalDestination, 0x2100_0000), (LocalApicOffsets.SpuriousVector, 0x1EF),
                (LocalApicOffsets.TaskPriority, 0xF0), (LocalApicOffsets.ErrorEntry, 0xFE), (LocalApicOffsets.Pin0Entry, 0x1_0700), (LocalApicOffsets.Pin1Entry, 0x400),
                (LocalApicOffsets.DivideConfiguration, 0xB), (LocalApicOffsets.TimerEntry, 0x1_0031), (LocalApicOffsets.InitialCount, 0xF000_0000),
            ];
            foreach ((int offset, uint value) in set)
                apic.Write((ulong)offset, 4, value);
            apic.Accept(new Bits256(1ul << 40, 0, 0, 1ul << 63));
            uint left = (uint)apic.Read(LocalApicOffsets.CurrentCount, 4);
            MigrationReport report = await world.Migrate();
            world.AssertMoved(report);
            LocalApic moved = report.Machine!.Cpu.Gates.Apic;
            Assert.True(moved.IsDriven);
            foreach ((int offset, uint value) in set[..^1])
                Assert.Equal(value, moved.Read((ulong)offset, 4));
            Assert.InRange(moved.Read(LocalApicOffsets.CurrentCount, 4), 1ul, left - 1ul);
            Assert.Equal(1ul << 8, moved.Read(LocalApicOffsets.InterruptRequest + 0x10, 4));
            Assert.Equal(1ul << 31, moved.Read(LocalApicOffsets.InterruptRequest + 0x70, 4));
        });
    }

    [Fact]
    public void A_VM_without_devices_moves_without_any()
    {
        using MigrationWorld world = new();
        world.Run(async () =>
        {
            Assert.True((await world.Assignment.TakeBack()).IsDone);
            world.Machine.Cpu.Store(new(0x1234), 8, 99);
            MigrationReport report = await world.Migrate(new());
            Assert.True(report.IsDone);
            Assert.Equal(0ul, report.DeviceOutageNs);
            Assert.Equal(511, report.Rounds[0].ZeroPages);
            Assert.Equal((512ul * 16) + 4096, report.Rounds[0].Bytes);
            Assert.Equal(99ul, report.Machine!.Cpu.Load(new(0x1234), 8));
        });
    }

    private static MigrationOptions With(MigrationWorld world, SourceId device) =>
        new() { Devices = new Dictionary<SourceId, SourceId> { [world.Here.Source] = device } };
}
