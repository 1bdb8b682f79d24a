using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests that have one controller in turns, against the same guest alone with a controller of its own.</summary>
public sealed class TimeSharingProgramTests
{
    private const ulong PatienceNs = 600_000_000_000;
    private const ulong LookNs = 125_000;

    [Fact]
    public void Each_guest_finds_what_it_would_find_alone_and_only_time_differs() =>
        Property.Check(Arb.From(Programs(), Smaller), Compare, count: 240);

    [Fact]
    public void The_same_holds_beside_a_guest_that_writes_anything_into_its_registers_at_any_time() =>
        Property.Check(Arb.From(HostilePrograms(), Smaller), Compare, count: 440);

    private static Gen<TurnProgram> Programs() =>
        from guests in Gen.Choose(1, 3)
        from steps in Gen.ArrayOf(DeviceSteps.Any.ArrayOf(), guests)
        from quantum in Gen.Elements(2_000_000, 3_300_000, 10_000_000)
        from isWorkConserving in Gen.Elements(true, false)
        select new TurnProgram([.. steps.Select(own => own.Take(5).ToArray())], (ulong)quantum, isWorkConserving, 0);

    private static Gen<TurnProgram> HostilePrograms() =>
        from program in Programs()
        from hostile in Gen.Choose(1, int.MaxValue)
        select new TurnProgram(program.Guests, program.QuantumNs, program.IsWorkConserving, hostile);

    private static IEnumerable<TurnProgram> Smaller(TurnProgram program) =>
        DeviceSteps.Smaller(program.Guests).Select(guests => program with { Guests = guests });

    private static void Compare(TurnProgram program)
    {
        int guests = program.Guests.Length;
        using TimeSharedComputer machine = new(guests + (program.Hostile != 0 ? 1 : 0));
        SteppingGuest[] shared = [.. Enumerable.Range(0, guests).Select(number => Guest(machine, number))];
        int crashes = 0;
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { QuantumNs = program.QuantumNs, IsWorkConserving = program.IsWorkConserving });
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
            using TimeSharedComputer alone = new(guests);
            SteppingGuest solo = Guest(alone, number);
            alone.Host.Loop.Run(async () => await solo.Run(await alone.OpenAlone(number), UsbHostControllers.Start, program.Guests[number]), PatienceNs);
            Assert.Equal(solo.Transcript, shared[number].Transcript);
        }

        Assert.Equal(0ul, machine.Watch.Strays);
        Assert.InRange(machine.Bus.UsedNsMax, 1ul, WireTime.MicroframeNs);
        Assert.True(program.Hostile != 0 || machine.Host.Faults.Total == 0);
        Assert.False(machine.Sharing.IsLost);
        if (program.IsWorkConserving)
            return;
        ulong bound = machine.Ledger.WaitBoundNs(machine.Guests.Count, program.QuantumNs) + ((ulong)crashes * LookNs);
        Assert.All(machine.Guests, guest => Assert.True(machine.Ledger.GapOf(guest) <= bound, $"{guest}: {machine.Ledger.GapOf(guest)} of {bound}"));
    }

    private static SteppingGuest Guest(TimeSharedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Controller.Usb.Ports[number], (byte)(0x10 * (number + 1)));

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
                int offset = random.Next(4) == 0 ? random.Next(0x100) & ~3 : 0x20 + (4 * random.Next(0x18));
                uint value = random.Next(3) switch
                {
                    0 => (uint)random.NextInt64(1L << 32),
                    1 => 1u << random.Next(32),
                    _ => 0x0008_0031,
                };
                if (random.Next(3) == 0)
                    _ = registers.Read32(offset);
                else
                    registers.Write32(offset, value);
            }

            await device.Processor.Delay((ulong)random.Next(1, 3_000_000));
        }
    }

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="QuantumNs">How long a turn is.</param>
    /// <param name="IsWorkConserving">Whether idle guests give turns up.</param>
    /// <param name="Hostile">What a further guest does; 0 for none.</param>
    private sealed record TurnProgram(DeviceStep[][] Guests, ulong QuantumNs, bool IsWorkConserving, int Hostile)
    {
        public override string ToString() =>
            $"{string.Join(" | ", Guests.Select(steps => string.Join(", ", steps)))}; {QuantumNs} ns, {(IsWorkConserving ? "work-conserving" : "fixed turns")}, hostile {Hostile}";
    }
}
