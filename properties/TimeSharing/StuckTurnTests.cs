using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A controller that does not do what it is told when a turn ends or begins: the VMM waits so long and no longer, one guest finds that it has failed, the others go on.</summary>
public sealed class StuckTurnTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong MillisecondNs = 1_000_000;
    private const ulong QuantumNs = 2 * MillisecondNs;

    // To stop, to save, to halt: what the VMM waits for at most where a reset helps.
    private const ulong FailedSwitchNsMax = 40 * MillisecondNs;

    [Theory]
    [InlineData(TurnController.Ehci, Stuck.Schedules)]
    [InlineData(TurnController.Ehci, Stuck.Schedules | Stuck.Halt)]
    [InlineData(TurnController.Xhci, Stuck.Halt)]
    [InlineData(TurnController.Xhci, Stuck.Save)]
    [InlineData(TurnController.Xhci, Stuck.Restore)]
    internal void A_controller_that_hangs_once_fails_for_one_guest_until_that_resets_it(TurnController kind, Stuck stuck)
    {
        using TimeSharedComputer machine = new(3, kind, canHang: true);
        DeviceStep[] steps = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 200), 15)];
        SteppingGuest[] guests = [.. Enumerable.Range(0, 3).Select(number => Guest(machine, number))];
        bool[] isDone = [false, false, false];
        int hung = 0;
        bool hasFailed = false;
        ulong longestNs = 0;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs, IsWorkConserving = false });
                PciDevice[] devices = [await machine.Open(0), await machine.Open(1), await machine.Open(2)];
                await Task.WhenAll(guests.Zip(devices).Select(static pair => pair.First.Run(pair.Second, UsbHostControllers.Start, [])));
                machine.Watch.Seen = span =>
                {
                    TurnPhase before = stuck == Stuck.Restore ? TurnPhase.Switch : TurnPhase.Run;
                    if (span.Machine == machine.Guests[0] && span.Phase == before && hung++ == 7)
                        machine.Stuck!.Stuck = stuck;
                    if (span.Phase is TurnPhase.Quiesce or TurnPhase.Save or TurnPhase.Load)
                        longestNs = Math.Max(longestNs, span.LengthNs);
                };
                Task<bool[]> served = Task.WhenAll(guests.Select(guest => IsServed(guest, steps)));

                // Its driver may find the error, and reset it, before the switch is over.
                while (!served.IsCompleted)
                {
                    await machine.Host.Loop.Delay(20_000);
                    hasFailed |= HasFailed(kind, (uint)machine.Sharing.StateOf(machine.Guests[0]).Registers.Single(static register => register.Name == "USBSTS").Value);
                }

                isDone = await served;
                Assert.True(hasFailed);

                // A driver that starts again finds a controller that works.
                Assert.True(await IsServed(guests[0], () => UsbHostControllers.Start(devices[0]), steps));
            },
            PatienceNs);
        Assert.Equal([false, true, true], isDone);
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
        Assert.InRange(longestNs, QuantumNs / 2, FailedSwitchNsMax);
        Assert.False(machine.Sharing.IsLost);
    }

    [Theory]
    [InlineData(TurnController.Ehci, Stuck.Schedules)]
    [InlineData(TurnController.Xhci, Stuck.Halt)]
    [InlineData(TurnController.Xhci, Stuck.Save)]
    [InlineData(TurnController.Xhci, Stuck.Restore)]
    internal void A_controller_that_hangs_each_time_is_waited_for_each_time_and_never_for_ever(TurnController kind, Stuck stuck)
    {
        using TimeSharedComputer machine = new(2, kind, canHang: true);
        bool[] isDone = machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs, IsWorkConserving = false });
                PciDevice[] devices = [await machine.Open(0), await machine.Open(1)];
                SteppingGuest[] guests = [Guest(machine, 0), Guest(machine, 1)];
                await Task.WhenAll(guests.Zip(devices).Select(static pair => pair.First.Run(pair.Second, UsbHostControllers.Start, [])));
                machine.Watch.Seen = span => machine.Stuck!.Stuck |= span.Phase is TurnPhase.Run or TurnPhase.Switch ? stuck : Stuck.None;
                DeviceStep[] steps = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 400), 20)];
                return await Task.WhenAll(guests.Select(guest => IsServed(guest, steps)));
            },
            PatienceNs);

        // A guest that is left alone has no turns that end.
        Assert.Contains(false, isDone);
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
        Assert.InRange(machine.Ledger.SwitchNsMax, QuantumNs / 2, FailedSwitchNsMax);
        Assert.False(machine.Sharing.IsLost);
    }

    [Theory]
    [InlineData(TurnController.Ehci, Stuck.Schedules, false)]
    [InlineData(TurnController.Ehci, Stuck.Schedules, true)]
    [InlineData(TurnController.Xhci, Stuck.Halt, false)]
    [InlineData(TurnController.Xhci, Stuck.Halt, true)]
    internal void Without_a_limit_a_controller_that_never_stops_hangs_every_guest_for_ever(TurnController kind, Stuck stuck, bool waitsForEver)
    {
        const ulong LongNs = 1_000 * MillisecondNs;
        const int UnderWay = 20;
        using TimeSharedComputer machine = new(3, kind, canHang: true);
        SteppingGuest[] guests = [.. Enumerable.Range(0, 3).Select(number => Guest(machine, number))];
        TimeSharingOptions options = new() { QuantumNs = QuantumNs, IsWorkConserving = false };
        int[] before = [];
        machine.Host.Loop.Start(async () =>
        {
            await machine.Start(waitsForEver ? options with { QuiesceNsMax = ulong.MaxValue } : options);
            PciDevice[] devices = [await machine.Open(0), await machine.Open(1), await machine.Open(2)];
            await Task.WhenAll(guests.Zip(devices).Select(static pair => pair.First.Run(pair.Second, UsbHostControllers.Start, [])));
            before = [.. guests.Select(static guest => guest.Transcript.Count(IsCompleted))];
            int turns = 0;
            machine.Watch.Seen = span =>
            {
                if (span.Phase == TurnPhase.Run && turns++ == 4)
                    machine.Stuck!.Stuck = stuck;
            };
            await Task.WhenAll(guests.Select(guest => IsServed(guest, [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 2_000)])));
        });
        Assert.True(machine.Host.Loop.RunUntil(() => machine.Stuck!.Stuck != Stuck.None, PatienceNs));

        // What is under way may end; then nobody gets any further, or two of three do.
        machine.Host.Loop.RunFor(10 * MillisecondNs);
        int[] hung = [.. guests.Select(static guest => guest.Transcript.Count(IsCompleted))];
        Assert.All(hung.Zip(before), static pair => Assert.True(pair.First > pair.Second));
        machine.Host.Loop.RunFor(LongNs);
        int moved = guests.Zip(hung).Count(static pair => pair.First.Transcript.Count(IsCompleted) > pair.Second + UnderWay);
        Assert.InRange(moved, waitsForEver ? 0 : 2, waitsForEver ? 0 : 3);
        Assert.Equal(waitsForEver, machine.Sharing.Owner is null && machine.Stuck!.Stuck != Stuck.None);
    }

    [Theory]
    [InlineData(TurnController.Ehci, Stuck.Schedules | Stuck.Halt | Stuck.Reset, TurnPhase.Run)]
    [InlineData(TurnController.Xhci, Stuck.Halt | Stuck.Reset, TurnPhase.Run)]
    [InlineData(TurnController.Xhci, Stuck.Restore | Stuck.Reset, TurnPhase.Switch)]
    internal void A_controller_that_does_not_even_reset_is_lost_to_all_and_reaches_nothing_any_more(TurnController kind, Stuck stuck, TurnPhase before)
    {
        using TimeSharedComputer machine = new(2, kind, canHang: true);
        FrameOwner[] owners = [.. machine.Guests.Select(static guest => guest.Owner)];
        int turns = 0;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs, IsWorkConserving = false });
                machine.Watch.Seen = span =>
                {
                    if (span.Phase == before && turns++ == 100)
                        machine.Stuck!.Stuck = stuck;
                };
                bool[] isDone = await Task.WhenAll(Enumerable.Range(0, 2).Select(
                    async number => await IsServed(Guest(machine, number), await machine.Open(number), [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 400), 40)])));
                Assert.Equal([false, false], isDone);
                foreach (VirtualMachine guest in machine.Guests)
                    await machine.Host.Destroy(guest);
                await machine.Host.Loop.Delay(10 * MillisecondNs);
            },
            PatienceNs);
        Assert.True(machine.Sharing.IsLost);
        Assert.False(machine.Host.Remapping.IsAttached(machine.Sharing.Source));
        Assert.All(owners, owner => Assert.Equal(0ul, machine.Host.Frames.CountOf(owner)));
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
    }

    [Fact]
    public void A_controller_that_never_answers_a_command_of_one_guest_costs_the_others_a_turn_of_it_and_no_more()
    {
        using TimeSharedComputer machine = new(2, TurnController.Xhci, canHang: true);
        SteppingGuest[] guests = [Guest(machine, 0), Guest(machine, 1)];
        bool isDone = false;
        ulong longestNs = 0;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = QuantumNs });
                await guests[0].Run(await machine.Open(0), UsbHostControllers.Start, [new(DeviceUse.Ask, 0)]);
                await guests[1].Run(await machine.Open(1), UsbHostControllers.Start, [new(DeviceUse.Ask, 0)]);

                // Only during the turns of the first guest; its driver stops an endpoint that it gives up.
                machine.Watch.Seen = span =>
                {
                    machine.Stuck!.Stuck = span.Machine == machine.Guests[0] && span.Phase == TurnPhase.Load ? Stuck.Commands : Stuck.None;
                    longestNs = Math.Max(longestNs, span.Phase is TurnPhase.Run or TurnPhase.Idle ? 0 : span.LengthNs);
                };
                Task<bool> stops = IsServed(guests[0], [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Cancel, 3_000), 3)]);
                await guests[1].Follow([.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 200)]);
                isDone = await stops;
            },
            PatienceNs);
        Assert.False(isDone);
        Assert.Equal(200, guests[1].Transcript.Count(static line => line.StartsWith("DeviceStep { Use = Read", StringComparison.Ordinal) && IsCompleted(line)));
        Assert.InRange(longestNs, 1ul, MillisecondNs);
        Assert.Equal((0ul, 0ul), (machine.Host.Faults.Total, machine.Watch.Strays));
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_controller_that_does_not_reset_is_not_taken_over_and_stays_with_the_host(TurnController kind)
    {
        using TimeSharedComputer machine = new(2, kind, canHang: true);
        machine.Stuck!.Stuck = Stuck.Reset;
        machine.Host.Loop.Run(
            async () =>
            {
                await Assert.ThrowsAsync<DeviceException>(() => machine.Start());

                // Once it works again, it can be.
                machine.Stuck!.Stuck = Stuck.None;
                await machine.Start();
            },
            PatienceNs);
        Assert.False(machine.Sharing.IsLost);
    }

    private static bool HasFailed(TurnController kind, uint status) =>
        kind == TurnController.Ehci ? new UsbStatus(new(status)) is { HostSystemError: true, Halted: true } : new XhciStatus(new(status)) is { HostSystemError: true, Halted: true };

    private static bool IsCompleted(string line) => line.Contains("Completed", StringComparison.Ordinal);

    private static SteppingGuest Guest(TimeSharedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Ports[number], (byte)(0x10 * (number + 1)));

    private static Task<bool> IsServed(SteppingGuest guest, PciDevice device, DeviceStep[] steps) =>
        IsServed(guest, () => guest.Run(device, UsbHostControllers.Start, steps), steps);

    private static Task<bool> IsServed(SteppingGuest guest, DeviceStep[] steps) => IsServed(guest, () => guest.Follow(steps), steps);

    private static Task<bool> IsServed(SteppingGuest guest, Func<ValueTask<IUsbHostController>> start, DeviceStep[] steps) =>
        IsServed(guest, () => guest.Run(start, steps), steps);

    // Whether each step completed. A driver may say no by an exception as well.
    private static async Task<bool> IsServed(SteppingGuest guest, Func<Task> work, DeviceStep[] steps)
    {
        int before = guest.Transcript.Count(IsCompleted);
        try
        {
            await work();
        }
        catch (DriverException)
        {
            return false;
        }

        return guest.Transcript.Count(IsCompleted) - before == steps.Length;
    }
}
