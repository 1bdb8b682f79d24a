using Dma.Drivers;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs of several guests whose schedules are merged, against the same guest alone with a controller of its own.</summary>
public sealed class MergedProgramTests
{
    private const ulong PatienceNs = 600_000_000_000;

    [Fact]
    public void Each_guest_finds_what_it_would_find_alone_and_only_time_differs() =>
        Property.Check(Arb.From(Programs(), Smaller), Compare, count: 60);

    private static Gen<MergedProgram> Programs() =>
        from guests in Gen.Choose(1, 3)
        from steps in Gen.ArrayOf(DeviceSteps.Any.ArrayOf(), guests)
        from discovery in Gen.Elements(DiscoveryMethod.Scan, DiscoveryMethod.WriteProtection)
        from ahead in Gen.Elements(1, 2, 8)
        select new MergedProgram([.. steps.Select(own => own.Take(5).ToArray())], discovery, ahead);

    private static IEnumerable<MergedProgram> Smaller(MergedProgram program) =>
        DeviceSteps.Smaller(program.Guests).Select(guests => program with { Guests = guests });

    private static void Compare(MergedProgram program)
    {
        int guests = program.Guests.Length;
        using MergedComputer machine = new(guests);
        SteppingGuest[] merged = [.. Enumerable.Range(0, guests).Select(number => Guest(machine, number))];
        machine.Host.Loop.Run(
            async () =>
            {
                await machine.Start(new() { Discovery = program.Discovery, AheadMicroframes = program.Ahead });
                await Task.WhenAll(merged.Select(async (guest, number) => await guest.Run(await machine.Open(number), UsbHostControllers.Start, program.Guests[number])));
            },
            PatienceNs);
        for (int number = 0; number < guests; number++)
        {
            using MergedComputer alone = new(guests);
            SteppingGuest solo = Guest(alone, number);
            alone.Host.Loop.Run(async () => await solo.Run(await alone.OpenAlone(number), UsbHostControllers.Start, program.Guests[number]), PatienceNs);
            Assert.Equal(solo.Transcript, merged[number].Transcript);
        }

        Assert.Equal(0ul, machine.Host.Faults.Total);
        Assert.False(machine.Sharing.IsLost);
    }

    private static SteppingGuest Guest(MergedComputer machine, int number) =>
        new(machine.Host, machine.Guests[number], machine.Controller.Usb.Ports[number], (byte)(0x10 * (number + 1)));

    /// <summary>What all guests do.</summary>
    /// <param name="Guests">The steps of each.</param>
    /// <param name="Discovery">How their descriptors are found.</param>
    /// <param name="Ahead">How many microframes ahead.</param>
    private sealed record MergedProgram(DeviceStep[][] Guests, DiscoveryMethod Discovery, int Ahead)
    {
        public override string ToString() => $"{Discovery}, {Ahead} ahead: {string.Join(" | ", Guests.Select(own => string.Join(", ", own)))}";
    }
}
