using Dma.Drivers;
using Dma.Hal;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests that have one controller in turns, against the same guest alone with a controller of its own.</summary>
public sealed class TimeSharingProgramTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong LookNs = 125_000;

    // Run, with interrupts; saves, restores and resets; a port that is reset; memory of a driver; a doorbell.
    private static readonly uint[] s_xhciValues = [0x5, 0x5, 0x1, 0x100, 0x200, 0x2, 0x80, 0x210, 0x8000_0000, 0x8000_1000, 1, 3];

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void Each_guest_finds_what_it_would_find_alone_and_only_time_differs(TurnController kind)
    {
        int slots = 0;
        Property.Check(Arb.From(Programs(kind), Smaller), program => slots += Compare(program), count: 140);
        Assert.True(slots > 200, $"{slots} slots of streams had to be used.");
    }

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void The_same_holds_beside_a_guest_that_writes_anything_into_its_registers_at_any_time(TurnController kind) =>
        Property.Check(Arb.From(HostilePrograms(kind), Smaller), static program => _ = Compare(program), count: 260);

    [Theory]
    [InlineData(TurnController.Ehci)]
    [InlineData(TurnController.Xhci)]
    public void A_frame_index_that_stands_still_between_turns_is_found_by_the_slots_of_a_stream(TurnController kind)
    {
        DeviceStep[] stream = [new(DeviceUse.Stream, 4)], reads = [.. Enumerable.Repeat(new DeviceStep(DeviceUse.Read, 40), 5)];
        TurnProgram program = new(kind, [stream, reads], 3_300_000, IsWorkConserving: false, 0);
        Assert.NotEqual(0, Compare(program));
        Exception found = Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Compare(program, SwitchSteps.Clock));
        Assert.Contains("slot", found.Message, StringComparison.Ordinal);
    }

    private static Gen<TurnProgram> Programs(TurnController kind) =>
        from guests in Gen.Choose(1, 3)
        from steps in Gen.ArrayOf(DeviceSteps.WithStreams.ArrayOf(), guests)
        from quantum in Gen.Elements(2_000_000, 3_300_000, 10_000_000)
        from isWorkConserving in Gen.Elements(true, false)
        select new TurnProgram(kind, [.. steps.Select(own => own.Take(5).ToArray())], (ulong)quantum, isWorkConserving, 0);

    private static Gen<TurnProgram> HostilePrograms(TurnController kind) =>
        from program in Programs(kind)
        from hostile in Gen.Choose(1, int.MaxValue)
        select program with { Hostile = hostile };

    private static IEnumerable<TurnProgram> Smaller(TurnProgram program) =>
        DeviceSteps.Smaller(program.Guests).Select(guests => program with { Guests = guests });

    // How many slots of streams had to be used.
    private static int Compare(TurnProgram program, SwitchSteps without = SwitchSteps.None)
    {
        int guests = program.Guests.Length;
        using TimeSharedComputer machine = new(guests + (program.Hostile != 0 ? 1 : 0), program.Kind);
        SteppingGuest[] shared = [.. Enumerable.Range(0, guests).Select(number => Guest(machine, number))];
        int crashes = 0;
        int slots = 0;
        List<TurnSpan> turns = [];
        machine.Watch.Seen = span => turns.AddRange(span.Phase == TurnPhase.Run ? [span] : []);
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = program.QuantumNs, IsWorkConserving = program.IsWorkConserving, Without = without });
                bool[] isOver = [false];
                Task hostile = program.Hostile != 0 ? Scribble(machine, guests, program.Hostile, isOver) : Task.CompletedTask;
                await Task.WhenAll(shared.Select(async (guest, number) => await guest.Run(await machine.Open(number), UsbHostControllers.Start, program.Guests[number])));
                isOver[0] = true;
                await hostile;
                crashes = guests - machine.Guests.Take(guests).Count(guest => guest.IsRunning);
                machine.Sharing.EndSpan();
            },
            PatienceNs);

        // Data, order and status; what a hostile guest makes of its own is its own.
        for (int number = 0; number < guests; number++)
        {
            using TimeSharedComputer alone = new(guests, program.Kind);
            SteppingGuest solo = Guest(alone, number);
            alone.Host.Loop.Run(async () => await solo.Run(await alone.OpenAlone(number), UsbHostControllers.Start, program.Guests[number]), PatienceNs);
            Assert.Equal(solo.Transcript, shared[number].Transcript);
        }

        for (int number = 0; number < guests; number++)
        {
            List<ulong> packets = machine.Streams.GetValueOrDefault(shared[number].Device) ?? [];
            (ulong, ulong)[] own = [.. turns.Where(turn => turn.Machine == machine.Guests[number]).Select(static turn => (turn.StartNs, turn.EndNs))];
            slots += shared[number].Streams.Sum(stream => StreamSlots.Check(stream, program.Kind == TurnController.Ehci, packets, own));
        }

        Assert.Equal(0ul, machine.Watch.Strays);
        Assert.All(machine.Buses, static bus => bus.Check());
        Assert.Contains(machine.Buses, static bus => bus.UsedNsMax != 0);
        Assert.True(program.Hostile != 0 || (machine.Host.Faults.Total == 0 && machine.Watch.Premature == 0));
        Assert.False(machine.Sharing.IsLost);
        if (program.IsWorkConserving)
            return slots;
        ulong bound = machine.Ledger.WaitBoundNs(machine.Guests.Count, program.QuantumNs) + ((ulong)crashes * LookNs);
        Assert.All(
            machine.Guests.Where((_, number) => machine.Kind == TurnController.Ehci || NeverHalts(program, number)),
            guest => Assert.True(machine.Ledger.GapOf(guest) <= bound, $"{guest}: {machine.Ledger.GapOf(guest)} of {bound}"));
        return slots;
    }

    // An xHCI controller that its guest has halted could do nothing with a turn, and gets none.
    private static bool NeverHalts(TurnProgram program, int number) =>
        number < program.Guests.Length && program.Guests[number].All(static step => step.Use != DeviceUse.ResetController);

    private static SteppingGuest Guest(TimeSharedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Ports[number], (byte)(0x10 * (number + 1)));

    // Reads and writes of any width, where registers are and where none are; most of them commands that a controller understands.
    private static async Task Scribble(TimeSharedComputer machine, int number, int seed, bool[] isOver)
    {
        Random random = new(seed);
        PciDevice device = await machine.Open(number);
        IConfigurationAccess space = device.Configuration;
        space.Write(PciOffset.Command, 2, 6);
        IRegisterWindow registers = device.OpenBar(0);
        while (!isOver[0])
        {
            for (int burst = random.Next(1, 12); burst > 0; burst--)
            {
                int offset = machine.Kind == TurnController.Ehci ? EhciOffset(random) : XhciOffset(random);
                uint value = random.Next(3) switch
                {
                    0 => (uint)random.NextInt64(1L << 32),
                    1 => 1u << random.Next(32),
                    _ => machine.Kind == TurnController.Ehci ? 0x0008_0031 : s_xhciValues[random.Next(s_xhciValues.Length)],
                };
                if (random.Next(3) == 0)
                    _ = registers.Read32(offset);
                else
                    registers.Write32(offset, value);
            }

            await device.Processor.Delay((ulong)random.Next(1, 3_000_000));
        }
    }

    private static int EhciOffset(Random random) => random.Next(4) == 0 ? random.Next(0x100) & ~3 : 0x20 + (4 * random.Next(0x18));

    // Operational registers, ports, what follows them, interrupters, doorbells, and where messages of the host are.
    private static int XhciOffset(Random random) => random.Next(8) switch
    {
        < 3 => 0x40 + (4 * random.Next(0x10)),
        3 => 0x440 + (4 * random.Next(0x20)),
        4 => 4 * random.Next(0x1000),
        5 or 6 => 0x1000 + (4 * random.Next(0x20)),
        _ => 0x2000 + (4 * random.Next(6)),
    };

    /// <summary>What all guests do.</summary>
    /// <param name="Kind">With what controller.</param>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="QuantumNs">How long a turn is.</param>
    /// <param name="IsWorkConserving">Whether idle guests give turns up.</param>
    /// <param name="Hostile">What a further guest does; 0 for none.</param>
    private sealed record TurnProgram(TurnController Kind, DeviceStep[][] Guests, ulong QuantumNs, bool IsWorkConserving, int Hostile)
    {
        public override string ToString() =>
            $"{Kind}: {string.Join(" | ", Guests.Select(steps => string.Join(", ", steps)))}; {QuantumNs} ns, {(IsWorkConserving ? "work-conserving" : "fixed turns")}, hostile {Hostile}";
    }
}
