using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Runs the same work of the same VMs by each mechanism.</summary>
/// <param name="plan">What they have in common.</param>
/// <param name="mechanisms">Which.</param>
internal sealed class SharingComparison(SharingPlan plan, IReadOnlyList<SharingMechanism> mechanisms)
{
    private const ulong WindowNs = 1_000_000_000;
    private const ulong StartNsMax = 5_000_000_000;
    private const ulong RestNs = 100_000_000;
    private const int RestsMax = 10;
    private const int Windows = 100;
    private const ulong DrawnNs = 100_000_000;
    private const ulong AttemptNs = 500_000_000;

    /// <summary>Runs all.</summary>
    /// <param name="progress">Told how many are done.</param>
    public SharingComparisonReport Run(Action<int> progress)
    {
        List<SharingRow> rows = [];
        foreach (SharingMechanism mechanism in mechanisms)
        {
            rows.Add(Run(mechanism));
            progress(rows.Count);
        }

        return new(plan.Vms, plan.Workload, plan.Seed, WindowNs, rows);
    }

    private static SharingRow Row(SharingMechanism mechanism, SharingFigures? figures, string refusal, IReadOnlyList<string> unexpected) =>
        new(mechanism.Letters, mechanism.Title, mechanism.Needs, mechanism.Isolation, mechanism.Cannot, figures, refusal, unexpected);

    private SharingRow Run(SharingMechanism mechanism)
    {
        if (mechanism.Create is not { } create)
            return Row(mechanism, null, "it has no USB devices", Unexpected(mechanism, null, plan.Vms));
        using SharingWorld world = create(plan);
        SharingGuest[] guests = [.. Enumerable.Range(0, plan.Vms).Select(number => new SharingGuest(world, number))];
        BusWatch[] watches = [.. world.Buses.Select(bus => new BusWatch(bus, [.. guests.Select(guest => guest.Share)]))];
        PacketOwners[] owners = [.. watches.Select(watch => new PacketOwners(world.Host.Loop, watch))];
        foreach ((UsbBus bus, PacketOwners owner) in world.Buses.Zip(owners))
        {
            for (int number = 0; number < guests.Length; number++)
                owner.Add(guests[number].Work.Device, number, guests[number].Work.IsPeriodic);
            owner.Watch(bus);
        }

        return world.Host.Loop.Run(() => Play(mechanism, world, guests, watches, owners));
    }

    private static async Task<SharingRow> Play(SharingMechanism mechanism, SharingWorld world, SharingGuest[] guests, BusWatch[] watches, PacketOwners[] owners)
    {
        await world.Prepare();
        Task Draw(ulong lengthNs) => world.Plan.Trace is { } trace ? new SharingTrace(trace).Draw(world, guests, owners, lengthNs) : Task.CompletedTask;

        // Of one that cannot do the work the attempt is drawn, of all others what comes behind it.
        Task drawn = mechanism.Refuses ? Draw(AttemptNs) : Task.CompletedTask;
        Task[] running = [.. guests.Select(guest => guest.Run())];
        foreach (SharingGuest guest in guests)
            _ = await guest.Work.Ready.Wait(StartNsMax);
        string refusal = Problems(world, guests);
        if (!mechanism.Refuses)
            drawn = Draw(DrawnNs);
        SharingFigures? figures = null;
        if (refusal.Length == 0)
        {
            SharingMeter meter = new(world);
            foreach (SharingGuest guest in guests)
                guest.Begin();
            double jainLeast = await Watch(world.Host.Loop, [.. guests.Where(guest => guest.Work is DiskWork).Select(guest => guest.Share)]);
            figures = meter.Stop([.. guests.Select(guest => guest.Stop())], watches.Max(watch => watch.PeriodicLoadMax), jainLeast);

            // What is under way arrives.
            for (int rest = 0; rest == 0 || (rest < RestsMax && guests.Any(guest => guest.Work.IsWaiting)); rest++)
                await world.Host.Loop.Delay(RestNs);
        }

        await drawn;
        foreach (SharingGuest guest in guests)
            guest.Work.Close();
        for (int number = 0; number < guests.Length; number++)
            await world.End(number);
        await Task.WhenAll(running);
        string problems = Problems(world, guests);
        return figures is null
            ? Row(mechanism, null, refusal, Unexpected(mechanism, null, world.Plan.Vms))
            : Row(mechanism, figures, "", [.. Unexpected(mechanism, figures, world.Plan.Vms), .. problems.Length == 0 ? [] : (string[])[problems]]);
    }

    // The time in which it is measured goes by, and in each part of it is seen how evenly the bus is shared out.
    private static async Task<double> Watch(EventLoop loop, BusShare[] shares)
    {
        double least = 1;
        ulong[] before = [.. shares.Select(share => share.TimeNs)];
        for (int window = 0; window < Windows; window++)
        {
            await loop.Delay(WindowNs / Windows);
            ulong[] now = [.. shares.Select(share => share.TimeNs)];
            least = Math.Min(least, Fairness.Jain([.. now.Zip(before, static (end, start) => (double)(end - start))]));
            before = now;
        }

        return least;
    }

    private static string Problems(SharingWorld world, SharingGuest[] guests) =>
        string.Join("; ", guests.Zip(world.Machines).Where(pair => pair.First.Work.Problem.Length != 0).Select(pair => $"{pair.Second.Name}: {pair.First.Work.Problem}"));

    private static string[] Unexpected(SharingMechanism mechanism, SharingFigures? figures, int vms) =>
    [
        .. Where(figures is null && !mechanism.Refuses, "it does not do the work"),
        .. Where(figures is not null && mechanism.Refuses, "it does work that it should refuse"),
        .. Where(figures?.ExitsPerTransfer > mechanism.ExitsMax, $"more than {mechanism.ExitsMax} exits for a transfer"),
        .. Where(figures?.CopiesPerByte > mechanism.CopiesMax, $"more than {mechanism.CopiesMax} bytes copied for a byte"),
        .. Where(figures?.SlotsMissed > 0 && mechanism.KeepsPromises, "it missed slots that it had promised"),

        // All others have a whole turn, and there are as many switches as VMs.
        .. Where(figures?.GapNs > ((ulong)(vms - 1) * TimeSharingOptions.UsualQuantumNs) + ((ulong)vms * mechanism.SwitchNsMax), "a disk waited for longer than all other turns and their switches"),
    ];

    private static string[] Where(bool isSo, string what) => isSo ? [what] : [];
}
