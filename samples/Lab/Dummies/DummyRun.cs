using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>VMs with streaming devices on one bus: the first asks for its share, then all others at once; who is refused takes less.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="without">What is left out.</param>
/// <param name="hasLiar">Whether the first VM sends what it never asked for, instead of asking.</param>
/// <param name="seed">Where buffers lie.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class DummyRun(int vms, ReservationSteps without, bool hasLiar, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 100_000_000;
    private const ulong RestNs = 20_000_000;
    private const ulong StartNsMax = 10_000_000_000;
    private const int LiarPipes = 2;

    // What a stream is to have first, and what it takes where that is refused.
    private static readonly IsochronousSetting[] s_settings = [new(2400), new(1024), new(512), new(128), new(2048, In: false)];

    private static byte Lies => (byte)s_settings.Length;

    private string[] Names => [.. Enumerable.Range(1, vms).Select(number => $"VM {number}")];

    /// <summary>Runs it.</summary>
    public DummyReport Run()
    {
        using SharedMachine machine = new(vms, new() { InternalPortCount = vms - 1 }, seed, trace, device: _ => new IsochronousDevice(s_settings));
        return machine.Host.Loop.Run(() => Play(machine));
    }

    private async Task<DummyReport> Play(SharedMachine machine)
    {
        SharedUsbController sharing = await machine.Start();
        DummyLog log = new(Names);
        DummyOptions options = new() { Without = without, Observer = machine.ReservationObserver(log) };
        PeriodicReservations reservations = PeriodicReservations.Start(machine.Host, sharing, machine.Controller.InternalPortsOf, options);
        DummyVmSoftware[] guests = await Task.WhenAll(Enumerable.Range(0, vms).Select(number => Boot(machine, sharing, number)));
        await Settle(machine, reservations, guests);
        uint[][] before = [.. guests.Select(guest => guest.Controller.ReservedNs.ToArray())];

        // The first one alone, then the others at once.
        BusLedger ledger = machine.Account.Open(machine.Host.Loop.NowNs);
        if (hasLiar)
            await guests[0].Lie(Lies, LiarPipes);
        else
            _ = await guests[0].Choose(1);
        bool[] granted = await Task.WhenAll(guests.Skip(1).Select(guest => guest.Choose(1)));
        for (int number = 1; number < vms; number++)
        {
            for (byte less = 2; !granted[number - 1] && less < Lies; less++)
                granted[number - 1] = await guests[number].Choose(less);
        }

        ulong startNs = machine.Host.Loop.NowNs;
        await machine.Host.Loop.Delay(WindowNs);
        for (int number = 0; number < vms; number++)
            machine.Note(number, $"stream of {BytesOf(guests[number])} bytes", startNs);
        DummyVm[] outcomes = [.. guests.Select((guest, number) => Outcome(machine.Machines[number].Name, guest))];
        machine.Account.Close();
        DummyReport report = Report(reservations, log, ledger, machine.Account.Strip(), outcomes);

        // The same backwards: nothing may be left behind.
        foreach (DummyVmSoftware guest in guests)
            _ = await guest.Choose(0);
        await Settle(machine, reservations, guests);
        bool isRestored = hasLiar || guests.Zip(before).All(pair => pair.First.Controller.ReservedNs.SequenceEqual(pair.Second));
        return report with { IsRestored = isRestored && reservations.LoadNs == 0 };
    }

    private async Task<DummyVmSoftware> Boot(SharedMachine machine, SharedUsbController sharing, int number)
    {
        ulong startNs = machine.Host.Loop.NowNs;
        Guest guest = await machine.Give(sharing, number);
        DummyVmSoftware software = await DummyVmSoftware.Start(guest, number + 1, hasLiar && number == 0 ? null : sharing.FirstInternalPort);
        machine.Note(number, "boot", startNs);
        return software;
    }

    // Until each dummy has its driver, and nothing is under way.
    private static async Task Settle(SharedMachine machine, PeriodicReservations reservations, DummyVmSoftware[] guests)
    {
        ulong endNs = machine.Host.Loop.NowNs + StartNsMax;
        bool isSettled = false;
        while (!isSettled && machine.Host.Loop.NowNs < endNs)
        {
            await machine.Host.Loop.Delay(RestNs);
            isSettled = reservations.IsQuiet
                && reservations.Dummies.All(dummy => !guests[dummy.Set].HasDummyDriver || dummy.State is DummyState.Bound or DummyState.Reserved);
        }
    }

    private static int BytesOf(DummyVmSoftware guest) => guest.Setting == 0 ? 0 : s_settings[guest.Setting - 1].Bytes;

    private DummyVm Outcome(string name, DummyVmSoftware guest) => new(
        name,
        hasLiar && name == Names[0] ? 0 : s_settings[0].Bytes,
        BytesOf(guest),
        guest.ReservedNsMax - Math.Min(guest.ReservedNsMax, guest.MirroredNs),
        guest.MirroredNs,
        guest.Slots.Due,
        guest.Slots.Missed);

    private DummyReport Report(PeriodicReservations reservations, DummyLog log, BusLedger ledger, BusStrip strip, DummyVm[] outcomes)
    {
        ReservationCounts counts = reservations.Counts;
        return new(
            without == ReservationSteps.None ? "" : without.ToString().ToLowerInvariant(),
            hasLiar ? Names[0] : "",
            outcomes,
            reservations.Dummies.Count,
            reservations.LoadNs,
            reservations.FreeNs,
            log.First(ReservationEventKind.Granted),
            log.First(ReservationEventKind.Refused),
            strip,
            (double)reservations.LoadNs / SharedUsbController.PeriodicNsMax,
            ledger.PeriodicLoadMax,
            counts.Granted,
            counts.Refused,
            counts.RefusedFalsely,
            counts.Changes == 0 ? 0 : (double)counts.Notices / counts.Changes,
            counts.Granted == 0 ? 0 : counts.SetupNsTotal / counts.Granted,
            counts.SetupNsMax,
            IsRestored: false,
            Other: null);
    }
}
