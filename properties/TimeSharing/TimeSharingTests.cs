using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>One controller for several guests, one after the other: what each sees of it, how long it waits, and what becomes of it when one ends.</summary>
public sealed class TimeSharingTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong MillisecondNs = 1_000_000;
    private const ulong MicroframeNs = 125_000;
    private const int Operational = 0x20;

    private static readonly int[] s_plain =
    [
        EhciOperationalOffsets.InterruptEnable,
        EhciOperationalOffsets.Segment,
        EhciOperationalOffsets.PeriodicListBase,
        EhciOperationalOffsets.AsyncListAddress,
        EhciOperationalOffsets.ConfigureFlag,
    ];

    [Fact]
    public void Registers_are_what_the_guest_wrote_with_a_turn_and_without_and_the_frame_index_goes_on_with_time() => Property.Check(
        (from seeds in Gen.ArrayOf(Gen.Choose(0, int.MaxValue), 2) from runs in Gen.ArrayOf(Gen.Elements(true, false), 2) select (seeds, runs)).ToArbitrary(),
        choice =>
        {
            using TimeSharedComputer machine = new(2);
            machine.Host.Loop.Run(
                async () =>
                {
                    await machine.Start(new() { QuantumNs = 2 * MillisecondNs, IsWorkConserving = false });
                    await Task.WhenAll(Enumerable.Range(0, 2).Select(async number => await KeepRegisters(machine, number, choice.seeds[number], choice.runs[number])));
                },
                PatienceNs);
            Assert.True(machine.Ledger.Turns >= 2);
        },
        count: 30);

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_guest_without_a_turn_changes_nothing_in_the_controller(TurnController kind)
    {
        using TimeSharedComputer machine = new(2, kind);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                SteppingGuest owner = Guest(machine, 0);
                await owner.Run(await machine.Open(0), UsbHostControllers.Start, []);
                PciDevice other = await machine.Open(1);
                other.Configuration.Write(PciOffset.Command, 2, 6);
                IRegisterWindow registers = other.OpenBar(0);
                Assert.Equal(machine.Guests[0], machine.Sharing.Owner);
                Random random = new(1);
                for (int write = 0; write < 500; write++)
                {
                    uint[] before = Window(machine);
                    int offset = kind == TurnController.Ehci ? Operational + (4 * random.Next(0x18)) : 4 * random.Next(0x840);
                    registers.Write32(offset, (uint)random.NextInt64(1L << 32) & ~(uint)(write % 2));
                    Assert.Equal(before, Window(machine));
                }
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_turn_costs_the_guest_no_exit_and_between_turns_it_has_no_register(TurnController kind)
    {
        using TimeSharedComputer machine = new(2, kind);
        List<(bool, bool)> seen = [];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { IsWorkConserving = false });
                await Task.WhenAll(Enumerable.Range(0, 2).Select(async number => await Guest(machine, number).Run(await machine.Open(number), UsbHostControllers.Start, [])));
                for (int look = 0; look < 100; look++)
                {
                    await machine.Host.Loop.Delay(MillisecondNs);
                    seen.AddRange(machine.Guests.Select(guest => (machine.Sharing.Owner == guest, machine.Sharing.IsMapped(guest))));
                }
            },
            PatienceNs);
        Assert.DoesNotContain((false, true), seen);
        Assert.True(seen.Count(look => look == (true, true)) > 8 * seen.Count(look => look == (true, false)));
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void Interrupts_go_to_the_guest_whose_work_caused_them_and_none_is_lost(TurnController kind)
    {
        using TimeSharedComputer machine = new(3, kind);
        SteppingGuest[] guests = [Guest(machine, 0), Guest(machine, 1)];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin, IsWorkConserving = false });
                PciDevice idle = await machine.Open(2);
                await UsbHostControllers.Start(idle);
                DeviceStep[] asks = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Ask, 0), 40)];
                await Task.WhenAll(guests.Select(async (guest, number) => await guest.Run(await machine.Open(number), UsbHostControllers.Start, asks)));
            },
            PatienceNs);
        Assert.Equal(0ul, machine.Sharing.InterruptsForwarded(machine.Guests[2]));

        // Without its interrupt, a driver would not look before its watchdog does; a request may end in the third turn from when it began.
        ulong turns = 2 * machine.Ledger.WaitBoundNs(3, TimeSharingOptions.QuantumNsMin);
        Assert.All(guests, guest => Assert.InRange(guest.AskedNsMax, 1ul, turns + (2 * MillisecondNs)));
        Assert.All(machine.Guests.Take(2), guest => Assert.True(machine.Sharing.InterruptsForwarded(guest) >= 40));
    }

    [Theory]
    [InlineData(TurnController.Ehci, true)]
    [InlineData(TurnController.Ehci, false)]
    [InlineData(TurnController.Xhci, true)]
    [InlineData(TurnController.Xhci, false)]
    public void An_endpoint_that_answers_nak_for_ever_holds_nobody_up_and_waits_stay_below_their_bound(TurnController kind, bool isWorkConserving)
    {
        const ulong QuantumNs = 3 * MillisecondNs;
        using TimeSharedComputer machine = new(3, kind);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs, IsWorkConserving = isWorkConserving });
                DeviceStep[] steps = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Cancel, 40_000), 5)];
                await Task.WhenAll(Enumerable.Range(0, 3).Select(async number => await Guest(machine, number).Run(await machine.Open(number), UsbHostControllers.Start, steps)));
                machine.Sharing.EndSpan();
            },
            PatienceNs);
        ulong bound = machine.Ledger.WaitBoundNs(3, QuantumNs);

        // A guest whose doorbells do not ring waits for nothing; without work, EHCI has to be looked at all the same.
        if (kind == TurnController.Ehci || !isWorkConserving)
            Assert.All(machine.Guests, guest => Assert.InRange(machine.Ledger.GapOf(guest), MicroframeNs, bound));
        Assert.InRange(machine.Ledger.SwitchNsMax, 1ul, 2 * MillisecondNs);
        Assert.Equal(machine.Watch.SeenNs, machine.Ledger.TotalNs);
        Assert.Equal(0ul, machine.Watch.Strays);
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_guest_whose_controller_is_off_gets_no_turn_and_one_without_work_a_short_one(TurnController kind)
    {
        using TimeSharedComputer machine = new(3, kind);
        List<TurnSpan> turns = [];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start();
                _ = await machine.Open(2);
                SteppingGuest busy = Guest(machine, 0);
                await Guest(machine, 1).Run(await machine.Open(1), UsbHostControllers.Start, []);
                await busy.Run(await machine.Open(0), UsbHostControllers.Start, [new(DeviceUse.Read, 4)]);
                machine.Watch.Seen = span => turns.AddRange(span.Phase == TurnPhase.Run ? [span] : []);
                await busy.Follow([.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 800), 12)]);
                machine.Sharing.EndSpan();
                machine.Watch.Seen = static _ => { };
            },
            PatienceNs);
        ulong LongestOf(int guest) => turns.Where(turn => turn.Machine == machine.Guests[guest]).Select(turn => turn.LengthNs).DefaultIfEmpty().Max();
        Assert.Equal(0ul, LongestOf(2));

        // Work for EHCI is a bit in memory, for which it has to look; work for xHCI rings a doorbell.
        Assert.InRange(LongestOf(1), kind == TurnController.Ehci ? 1ul : 0, kind == TurnController.Ehci ? MillisecondNs : 0);
        Assert.InRange(LongestOf(0), 8 * MillisecondNs, kind == TurnController.Ehci ? 10 * MillisecondNs : PatienceNs);
    }

    [Fact]
    public void A_guest_whose_schedules_do_not_stop_in_time_finds_that_its_controller_failed_and_the_others_go_on()
    {
        using TimeSharedComputer machine = new(2);
        DeviceStep[] periodic = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.ReadPeriodic, 0), 40)];
        DeviceStep[] bulk = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 20)];
        SteppingGuest[] guests = [Guest(machine, 0), Guest(machine, 1)];
        bool[] hasStopped = [false, false];
        machine.Host.Loop.Run(
            async () =>
            {
                // The periodic schedule stops with its frame, which is not over after one microframe.
                await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin + MicroframeNs, QuiesceNsMax = 2 * MicroframeNs });
                await Task.WhenAll(Enumerable.Range(0, 2).Select(async number =>
                {
                    try
                    {
                        await guests[number].Run(await machine.Open(number), UsbHostControllers.Start, number == 0 ? periodic : bulk);
                    }
                    catch (DriverException)
                    {
                        hasStopped[number] = true;
                    }
                }));
            },
            PatienceNs);
        Assert.Equal([true, false], [hasStopped[0] || guests[0].Transcript.Exists(line => line.Contains("ControllerStopped", StringComparison.Ordinal)), hasStopped[1]]);
        Assert.Equal(20, guests[1].Transcript.Count(line => line.Contains("Completed", StringComparison.Ordinal)));
        Assert.Equal(0ul, machine.Host.Faults.Total);
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_guest_that_ends_at_any_moment_leaves_nothing_behind_and_the_other_goes_on(TurnController kind)
    {
        for (ulong afterNs = 0; afterNs < 8 * MillisecondNs; afterNs += 187_000)
        {
            using TimeSharedComputer machine = new(2, kind);
            SteppingGuest other = Guest(machine, 1);
            FrameOwner owner = machine.Guests[0].Owner;
            machine.Host.Loop.Run(
                async () =>
                {
                    await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin, IsWorkConserving = false });
                    Task lives = other.Run(await machine.Open(1), UsbHostControllers.Start, [new(DeviceUse.Read, 40), new(DeviceUse.Wait, 10_000), new(DeviceUse.Read, 40)]);
                    Task ends = Guest(machine, 0).Run(await machine.Open(0), UsbHostControllers.Start, [new(DeviceUse.Cancel, 500_000)]);
                    await machine.Host.Loop.Delay((400 * MillisecondNs) + afterNs);
                    await machine.Host.Destroy(machine.Guests[0]);
                    await lives;
                    _ = await Task.WhenAny(ends, machine.Host.Loop.Delay(1_000 * MillisecondNs).AsTask());
                },
                PatienceNs);
            Assert.Equal(2, other.Transcript.Count(line => line.Contains("Completed", StringComparison.Ordinal)));
            Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Host.Frames.CountOf(owner)));
            Assert.Equal([machine.Guests[1]], machine.Sharing.Machines);
        }
    }

    [Theory]
    [InlineData(TurnController.Ehci, 0)]
    [InlineData(TurnController.Ehci, 700_000)]
    [InlineData(TurnController.Xhci, 0)]
    [InlineData(TurnController.Xhci, 310_000)]
    [InlineData(TurnController.Xhci, 630_000)]
    [InlineData(TurnController.Xhci, 1_140_000)]
    [InlineData(TurnController.Xhci, 1_960_000)]
    public void A_controller_that_is_pulled_out_is_gone_for_all_and_the_host_goes_on(TurnController kind, int afterNs)
    {
        using TimeSharedComputer machine = new(2, kind);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = TimeSharingOptions.QuantumNsMin, IsWorkConserving = false });
                Task[] guests = [.. Enumerable.Range(0, 2).Select(number => Survive(machine, number))];
                await machine.Host.Loop.Delay((500 * MillisecondNs) + (ulong)afterNs);
                await machine.Host.HotUnplug(machine.Controller);
                await Task.WhenAll(guests);
                foreach (VirtualMachine guest in machine.Guests)
                    await machine.Host.Destroy(guest);
            },
            PatienceNs);
        Assert.True(machine.Sharing.IsLost);
        Assert.Empty(machine.Sharing.Machines);
        Assert.False(machine.Host.Remapping.IsAttached(new(0, 2, 0)));
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void What_does_not_fit_is_refused_and_the_controller_goes_back_to_the_host_when_no_guest_has_it(TurnController kind)
    {
        using TimeSharedComputer machine = new(3, kind);
        SourceId place = new(0, 3, 0);
        machine.Host.Loop.Run(
            async () =>
            {
                Assert.Null(await TimeSharedController.Start(machine.Host, new(0, 9, 0)));
                await machine.Start();
                Assert.Null(await TimeSharedController.Start(machine.Host, machine.Sharing.Source));
                _ = await machine.Open(0);
                async Task Refuses(AssignmentRefusal refusal, VirtualMachine guest, SourceId at, params int[] ports) =>
                    Assert.Equal(refusal, (await machine.Sharing.Give(guest, at, ports)).Refusal);
                await Refuses(AssignmentRefusal.WrongState, machine.Guests[0], place, 2);
                await Refuses(AssignmentRefusal.GroupInUse, machine.Guests[1], place, 1);
                await Refuses(AssignmentRefusal.NotThere, machine.Guests[1], place, 0);
                await Refuses(AssignmentRefusal.NotThere, machine.Guests[1], place, machine.Ports.Count + 1);
                await Refuses(AssignmentRefusal.NotThere, machine.Guests[1], place, 2, 2);
                await Refuses(AssignmentRefusal.GuestPlace, machine.Guests[1], new(1, 3, 0), 2);
                machine.Guests[1].AddIommu();
                await Refuses(AssignmentRefusal.Untranslated, machine.Guests[1], place, 2);
                await machine.Host.Destroy(machine.Guests[2]);
                await Refuses(AssignmentRefusal.NoMachine, machine.Guests[2], place, 3);
                Assignment assignment = machine.Host.AssignmentOf(machine.Sharing.Source);
                Assert.Equal(AssignmentRefusal.DriverRefused, (await assignment.Assign(machine.Guests[0], new(0, 5, 0))).Refusal);
                await machine.Sharing.TakeBack(machine.Guests[0]);
                await machine.Sharing.TakeBack(machine.Guests[0]);
                Assert.Equal(AssignmentResult.Done, await assignment.Assign(machine.Guests[0], new(0, 5, 0)));
                Assert.Equal(AssignmentRefusal.NotThere, (await machine.Sharing.Give(machine.Guests[0], place, 1)).Refusal);
            },
            PatienceNs);
        Assert.Throws<ArgumentException>(() => machine.Sharing.StateOf(machine.Guests[0]));
    }

    private static SteppingGuest Guest(TimeSharedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Ports[number], (byte)(0x10 * (number + 1)));

    private static async Task Survive(TimeSharedComputer machine, int number)
    {
        try
        {
            await Guest(machine, number).Run(await machine.Open(number), UsbHostControllers.Start, [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 400)]);
        }
        catch (DriverException)
        {
            // Its controller does not answer any more.
        }
    }

    // All registers but the frame index and counters of moderation, which time changes.
    private static uint[] Window(TimeSharedComputer machine) => machine.Kind == TurnController.Ehci
        ? Window(machine, 0, 0x20, Operational + EhciOperationalOffsets.FrameIndex)
        : [.. Window(machine, 0, 0x220, 0), .. Window(machine, 0x1020, 0x20, 0x1024, 0x1044, 0x1064, 0x1084)];

    private static uint[] Window(TimeSharedComputer machine, int first, int count, params int[] without) =>
    [
        .. Enumerable.Range(0, count).Select(index => first + (4 * index)).Where(offset => !without.Contains(offset))
            .Select(offset => (uint)machine.Controller.ReadBar(0, (ulong)offset, 4)),
    ];

    private static async Task KeepRegisters(TimeSharedComputer machine, int number, int seed, bool runs)
    {
        Random random = new(seed);
        PciDevice device = await machine.Open(number);
        device.Configuration.Write(PciOffset.Command, 2, 6);
        IRegisterWindow registers = device.OpenBar(0);
        await device.Processor.Delay((ulong)random.Next(1, 3_000_000));
        uint Read(int operational) => registers.Read32(Operational + operational);
        void Write(int operational, uint value) => registers.Write32(Operational + operational, value);
        foreach (int operational in s_plain)
            Write(operational, (uint)random.NextInt64(1L << 32));
        uint[] plain = [.. s_plain.Select(Read)];
        uint first = (uint)random.Next(0x4000);
        Write(EhciOperationalOffsets.FrameIndex, first);
        UsbCommand command = new() { Run = runs, InterruptThreshold = 1 << random.Next(7), FrameListSize = (FrameListSize)random.Next(3) };
        Write(EhciOperationalOffsets.UsbCommand, command.Raw.Value);
        ulong startNs = machine.Host.Loop.NowNs;
        uint asWritten = Read(EhciOperationalOffsets.UsbCommand);
        Assert.Equal(command.Raw.Value, asWritten & command.Raw.Value);
        for (int look = 0; look < 12; look++)
        {
            await device.Processor.Delay((ulong)random.Next(1, 4_000_000));
            Assert.Equal(plain, s_plain.Select(Read));
            Assert.Equal(asWritten, Read(EhciOperationalOffsets.UsbCommand));
            Assert.Equal(!runs, new UsbStatus(new(Read(EhciOperationalOffsets.UsbStatus))).Halted);
            ulong passed = runs ? (machine.Host.Loop.NowNs - startNs) / MicroframeNs : 0;

            // Where in a microframe the guest started it cannot be read: less than one is lost, once.
            Assert.InRange((uint)(first + passed - Read(EhciOperationalOffsets.FrameIndex)) & 0x3FFF, 0u, runs ? 1u : 0);
        }
    }
}
