using Dma.UsbDevice;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>VMs with ordinary drivers read their disks by controllers that processes in a service VM model; then somebody there wants what is not theirs, and the service VM may crash.</summary>
/// <param name="options">The computer.</param>
/// <param name="crashes">Whether the service VM crashes in the end.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class ModelledRun(ServiceMachineOptions options, bool crashes, Stream? trace)
{
    private const ulong WindowNs = 200_000_000;
    private const ulong StepNs = 250_000;
    private const ulong TellNsMax = 20_000_000_000;
    private const int DiskBytes = 8 * ModelledGuest.ReadBytes;

    /// <summary>Runs it.</summary>
    public ModelledReport Run()
    {
        using ServiceMachine machine = new(options with { Devices = ServedDevices.Model, Trace = MachineTimeline.TraceFor(trace) });
        byte[][] contents = [.. Enumerable.Range(0, options.Vms).Select(guest => Plug(machine, guest))];
        return machine.Host.Loop.Run(() => Play(machine, contents));
    }

    private static byte[] Plug(ServiceMachine machine, int guest)
    {
        byte[] content = new byte[DiskBytes];
        machine.Host.RandomFor($"disk {guest}").NextBytes(content);
        machine.Plug(guest, new MassStorageDevice(new MemoryDiskImage(content)));
        return content;
    }

    private async Task<ModelledReport> Play(ServiceMachine machine, byte[][] contents)
    {
        await machine.StartService();
        using ModelledTimeline? timeline = trace is null ? null : new(trace, machine);
        ModelledGuest[] guests = [.. contents.Select((content, number) => new ModelledGuest(machine, number, content))];
        foreach (ModelledGuest guest in guests)
            await guest.Start();

        // One access alone.
        await machine.Host.Loop.Delay(StepNs);
        RequestSequence sequence = new(machine, 0, "reads a register");
        guests[0].Touch();
        IReadOnlyList<SequenceStep> access = sequence.End(machine.Guests[0].Name, "has the value");

        // Then all together.
        bool[] isOver = [false];
        ModelledCosts costs = new(machine);
        foreach (ModelledGuest guest in guests)
            guest.Begin();
        Task<bool>[] reading = [.. guests.Select((guest, number) => guest.Read(() => isOver[0], timeline is null ? null : startNs => timeline.Read(number, startNs)))];
        _ = machine.Account.Open(machine.Host.Loop.NowNs);
        await machine.Host.Loop.Delay(WindowNs);
        machine.Account.Close();
        (double switches, double copies, ModelledCycles cycles) = costs.For(guests.Sum(guest => (double)guest.Reads));
        ModelledSummary[] sums = [.. guests.Select(guest => guest.Sum())];
        isOver[0] = true;
        _ = await Task.WhenAll(reading);

        // What is not the service VM's business; and a page that changes hands.
        IReadOnlyList<StrangeCall> strangers = await ModelledAttacks.AskForStrangers(machine);
        StaleAttack attack = await ModelledAttacks.TakePage(machine, guests[0].Buffer);
        CrashSummary? crash = crashes ? await Crash(machine, guests) : null;
        return new(
            options.Controller,
            options.Monitor.WindowPages,
            options.Monitor.IsZeroCopy,
            options.Service.ShootDown,
            WindowNs,
            sums,
            machine.Account.Strip(),
            access,
            switches,
            copies,
            cycles,
            Fairness.Jain([.. sums.Select(sum => (double)sum.Bytes)]),
            strangers,
            attack,
            crash,
            machine.Host.Faults.Total);
    }

    private static async Task<CrashSummary> Crash(ServiceMachine machine, ModelledGuest[] guests)
    {
        Task<bool>[] reading = [.. guests.Select(guest => guest.Read(static () => false))];
        await machine.Host.Loop.Delay(StepNs);
        int busy = reading.Count(read => !read.IsCompleted);
        ulong startNs = machine.Host.Loop.NowNs;
        await machine.CrashService();
        ulong pins = machine.Host.Frames.Pins;
        bool isBack = machine.Controller is { State: AssignmentState.Host, Domain: null };
        while (reading.Any(read => !read.IsCompleted) && machine.Host.Loop.NowNs - startNs < TellNsMax)
            await machine.Host.Loop.Delay(StepNs);
        ulong toldNs = machine.Host.Loop.NowNs - startNs;
        foreach (ModelledGuest guest in guests)
            await guest.Stop();

        // The next service VM plugs controllers with the same disks in again.
        ulong againNs = machine.Host.Loop.NowNs;
        await machine.StartService();
        int readAgain = 0;
        foreach (ModelledGuest guest in guests)
        {
            await guest.Start();
            readAgain += guest.IsRight ? 1 : 0;
        }

        return new(busy, toldNs, pins, isBack, machine.Host.Loop.NowNs - againNs, readAgain, guests.Length);
    }
}
