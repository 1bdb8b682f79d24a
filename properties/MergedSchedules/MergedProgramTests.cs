using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests whose schedules are merged, against the same guest alone with a controller of its own.</summary>
public sealed class MergedProgramTests
{
    private const ulong FrameNs = 1_000_000;
    private const ulong PatienceNs = 600_000_000_000;

    [Fact]
    public void Each_guest_finds_what_it_would_find_alone_and_only_time_differs() =>
        Property.Check(Arb.From(Programs(), Smaller), Compare, count: 20);

    [Fact]
    public void The_same_holds_beside_a_guest_that_writes_anything_into_its_registers_and_schedules_at_any_time() =>
        Property.Check(Arb.From(HostilePrograms(), Smaller), Compare, count: 14);

    private static Gen<MergedProgram> Programs() =>
        from guests in Gen.Choose(1, 3)
        from steps in Gen.ArrayOf(DeviceSteps.WithStreams.ArrayOf(), guests)
        from method in Gen.Elements(MergeMethod.Software, MergeMethod.Hardware)
        from discovery in Gen.Elements(DiscoveryMethod.Scan, DiscoveryMethod.WriteProtection)
        from ahead in Gen.Elements(1, 2, 8)
        select new MergedProgram([.. steps.Select(own => own.Take(5).ToArray())], method, discovery, ahead, 0);

    private static Gen<MergedProgram> HostilePrograms() =>
        from program in Programs()
        from hostile in Gen.Choose(1, int.MaxValue)
        select program with { Hostile = hostile };

    private static IEnumerable<MergedProgram> Smaller(MergedProgram program) =>
        DeviceSteps.Smaller(program.Guests).Select(guests => program with { Guests = guests });

    private static void Compare(MergedProgram program)
    {
        int guests = program.Guests.Length;
        using MergedComputer machine = new(guests + (program.Hostile != 0 ? 2 : 1), program.Method);
        MicroframeWatch watch = new(machine.Controller.Usb, machine.Host.Loop);
        SteppingGuest[] merged = [.. Enumerable.Range(0, guests).Select(number => Guest(machine, number))];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = program.Discovery, AheadMicroframes = program.Ahead });
                bool[] isOver = [false];

                // Who comes first has the first slot of an engine.
                Task hostile = program.Hostile != 0 ? Scribble(machine.Guests[guests + 1], await machine.Open(guests + 1), program.Hostile, isOver) : Task.CompletedTask;

                // U1: one more guest has lists in which nothing is to be done. What others do leaves no trace in its memory.
                PaperGuest still = new(machine.Guests[guests], await machine.Open(guests), FrameListSize.Elements1024);
                _ = still.AddToRing(0);
                still.AddInterrupt(4, 1, 1);
                still.Run();

                // A controller fills the NAK counters of all queues once.
                await machine.Host.Loop.Delay(3 * FrameNs);
                byte[] before = PaperGuest.MemoryOf(machine.Guests[guests]);
                await Task.WhenAll(merged.Select(async (guest, number) => await guest.Run(await machine.Open(number), UsbHostControllers.Start, program.Guests[number])));
                isOver[0] = true;
                await hostile;
                Assert.True(before.AsSpan().SequenceEqual(PaperGuest.MemoryOf(machine.Guests[guests])));
            },
            PatienceNs);
        for (int number = 0; number < guests; number++)
        {
            using MergedComputer alone = new(guests);
            SteppingGuest solo = Guest(alone, number);
            alone.Host.Loop.Run(async () => await solo.Run(await alone.OpenAlone(number), UsbHostControllers.Start, program.Guests[number]), PatienceNs);
            Assert.Equal(solo.Transcript, merged[number].Transcript);
            Assert.Equal(0, solo.Slots.Missed);
            Assert.True(program.Hostile != 0 || merged[number].Slots == solo.Slots, $"{merged[number].Slots}");
        }

        // The VMM looks at pointers before the controller has them; an engine leaves that to the remapping unit, which knows whose they are.
        ulong hostile = machine.Engine is { } engine && program.Hostile != 0 ? machine.Host.Faults.CountOf(engine.Lanes[0].Source) : 0;
        Assert.Equal(hostile, machine.Host.Faults.Total);
        Assert.False(machine.Sharing.IsLost);
        Assert.InRange(watch.UsedNsMax, 1ul, WireTime.MicroframeNs);

        // A guest that writes anything names any endpoint in its ring too.
        if (program.Hostile == 0)
            watch.Check();
    }

    // Schedules that may mean anything, in registers of any kind: most of it is what a controller understands.
    private static async Task Scribble(VirtualMachine vm, PciDevice device, int seed, bool[] isOver)
    {
        Random random = new(seed);
        PaperGuest guest = new(vm, device, FrameListSize.Elements1024);
        guest.Run();
        while (!isOver[0])
        {
            for (int burst = random.Next(1, 12); burst > 0; burst--)
                Scribble(guest, random);
            await vm.Host.Loop.Delay((ulong)random.Next(1, 5_000_000));
        }
    }

    private static void Scribble(PaperGuest guest, Random random)
    {
        uint pointer = 0x20_0000u + ((uint)random.Next(12) * 128) + (uint)random.Next(8);
        uint value = random.Next(4) switch
        {
            0 => (uint)random.NextInt64(1L << 32),
            1 => 0x0020_0080u | ((uint)random.Next(4) << 8) | ((uint)random.Next(512) << 16),
            _ => pointer,
        };
        switch (random.Next(8))
        {
            case 0:
                guest.Run();
                break;
            case 1:
                guest.Command = new() { Reset = true };
                break;
            case 2:
                guest.Setup();
                break;
            case 3:
                guest[4 * random.Next(0x18)] = value;
                break;
            case 4:
                guest.Write(PaperGuest.FrameListAt + (4 * (uint)random.Next(1024)), value);
                break;
            default:
                guest.Write(PaperGuest.StructuresAt + (4 * (uint)random.Next(12 * 32)), value);
                break;
        }
    }

    private static SteppingGuest Guest(MergedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Controller.Usb.Ports[number], (byte)(0x10 * (number + 1)));

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="Method">Who merges.</param>
    /// <param name="Discovery">How their descriptors are found.</param>
    /// <param name="Ahead">How many microframes ahead.</param>
    /// <param name="Hostile">What one more guest scribbles; 0 for none.</param>
    private sealed record MergedProgram(DeviceStep[][] Guests, MergeMethod Method, DiscoveryMethod Discovery, int Ahead, int Hostile)
    {
        public override string ToString() => $"{Method}, {Discovery}, {Ahead} ahead, hostile {Hostile}: {string.Join(" | ", Guests.Select(own => string.Join(", ", own)))}";
    }
}
