using Dma.Machine;
using Dma.UsbDevice.Spec;
using Dma.Vmm;
using static System.FormattableString;

namespace Dma.Lab;

/// <summary>Several VMs with unmodified drivers behind one ordinary controller, which runs their schedules merged into one.</summary>
/// <param name="vms">How many VMs.</param>
/// <param name="options">How schedules are merged.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class MergedRun(int vms, MergeOptions options, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 300_000_000;
    private const ulong StartNsMax = 20_000_000_000;
    private const int FramesShown = 8;
    private const int TrapsShown = 12;

    // Of the frames that are shown, those behind the current one.
    private const int FramesAhead = 3;

    private static readonly IReadOnlyList<(string Name, int Offset)> _registers =
    [
        ("USBCMD", EhciOperationalOffsets.UsbCommand),
        ("USBSTS", EhciOperationalOffsets.UsbStatus),
        ("USBINTR", EhciOperationalOffsets.InterruptEnable),
        ("FRINDEX", EhciOperationalOffsets.FrameIndex),
        ("CTRLDSSEGMENT", EhciOperationalOffsets.Segment),
        ("PERIODICLISTBASE", EhciOperationalOffsets.PeriodicListBase),
        ("ASYNCLISTADDR", EhciOperationalOffsets.AsyncListAddress),
        ("CONFIGFLAG", EhciOperationalOffsets.ConfigureFlag),
        ("PORTSC1", EhciOperationalOffsets.FirstPort),
        ("PORTSC2", EhciOperationalOffsets.FirstPort + sizeof(uint)),
    ];

    /// <summary>Runs it.</summary>
    /// <exception cref="InvalidOperationException">The controller cannot be shared.</exception>
    public MergedReport Run()
    {
        using MergedMachine machine = new(vms, options, seed, trace);
        return machine.Host.Loop.Run(() => Play(machine));
    }

    private async Task<MergedReport> Play(MergedMachine machine)
    {
        MergeOptions used = options with { Without = options.Without & ~MergeSteps.Windows };
        MergedUsbController sharing = await MergedUsbController.Start(machine.Host, machine.Controller.Source, used)
            ?? throw new InvalidOperationException("The controller cannot be shared.");
        MergedWorker[] workers = [.. Enumerable.Range(0, vms).Select(number => new MergedWorker(machine, number))];
        Task[] running = [.. workers.Select(worker => worker.Run(sharing))];
        ulong endNs = machine.Host.Loop.NowNs + StartNsMax;
        foreach (MergedWorker worker in workers)
            _ = await worker.Ready.Wait(endNs - Math.Min(machine.Host.Loop.NowNs, endNs));

        MergedFetchLog? fetched = machine.Engine is null ? null : new(machine);
        if (machine.Engine is { } engine)
            engine.Observer = fetched;

        // From here on it counts. Windows are left out once all VMs are at work: VMs whose devices were not found would have nothing to lose.
        used.Without = options.Without;
        _ = machine.Account.Open(machine.Host.Loop.NowNs);
        Queue<MergedTrapRow> traps = new();
        sharing.Trapped = trap => Note(traps, trap);
        (int doorbells, int early, int heads) = (0, 0, 0);
        sharing.DoorbellAnswered = vm =>
        {
            doorbells++;
            early += sharing.Unlinked(vm).Count == 0 ? 0 : 1;
            heads = Math.Max(heads, sharing.Picture?.Heads ?? 0);
        };
        foreach (MergedWorker worker in workers)
            worker.Begin(sharing);
        ulong copied = Copied(machine), spent = Spent(machine), interrupts = sharing.Interrupts;
        await machine.Host.Loop.Delay(WindowNs);
        (sharing.Trapped, sharing.DoorbellAnswered) = (null, null);
        MergedReport report = Report(machine, sharing, fetched, workers);
        machine.Account.Close();
        ulong structures = report.Vms.Aggregate(0ul, static (sum, vm) => sum + vm.Counts.StructureBytes);
        report = report with
        {
            RealInterrupts = sharing.Interrupts - interrupts,
            PayloadBytesCopied = Copied(machine) - copied - structures,
            VmmNs = Spent(machine) - spent,
            Traps = [.. traps],
            Heads = fetched?.Heads ?? Math.Max(heads, sharing.Picture!.Heads),
            Doorbells = doorbells,
            EarlyAnswers = early,
        };

        // Whoever waits for a transfer is let go with the controller.
        foreach (MergedWorker worker in workers)
            worker.End();
        foreach (VirtualMachine vm in machine.Machines)
            await sharing.TakeBack(vm);
        await Task.WhenAll(running);
        return report;
    }

    private MergedReport Report(MergedMachine machine, MergedUsbController sharing, MergedFetchLog? fetched, MergedWorker[] workers)
    {
        MergedSummary[] sums = [.. workers.Select(worker => worker.Sum(sharing))];
        int current = (int)(sharing.RealRegister(EhciOperationalOffsets.FrameIndex) >> 3);
        int first = fetched is null ? current - FramesShown + FramesAhead : current - FramesShown;
        return new(
            fetched is null ? "software" : "hardware",
            options.Discovery == DiscoveryMethod.Scan ? "scan" : "protect",
            options.AheadMicroframes,
            options.Without == MergeSteps.None ? "" : options.Without.ToString().ToLowerInvariant(),
            WindowNs,
            sums,
            [.. Enumerable.Range(first, FramesShown).Select(frame => Row(machine, sharing, fetched, frame & (1024 - 1)))],
            fetched?.Round ?? string.Join(' ', sharing.Picture!.Async.Select(Letter)),
            machine.Account.Strip(),
            [],
            [.. _registers.Select(register => new MergedRegisterRow(
                register.Name,
                [.. machine.Machines.Select(vm => sharing.RegistersOf(vm).First(own => own.Name == register.Name).Value)],
                sharing.RealRegister(register.Offset)))],
            0,
            0,
            0,
            machine.Host.Faults.Total,
            0,
            0,
            0);
    }

    // The last ones are kept.
    private static void Note(Queue<MergedTrapRow> traps, in MergedTrap trap)
    {
        string what = trap.Register.Length == 0 ? Invariant($"stores into its schedules, {trap.Value} at once")
            : Invariant($"{(trap.IsWrite ? "writes" : "reads")} {trap.Register} {trap.Value:X8}");
        traps.Enqueue(new(trap.NowNs, trap.Machine.Name, what));
        if (traps.Count > TrapsShown)
            _ = traps.Dequeue();
    }

    // Structures of a frame that was walked may have left the list of their VM since then.
    private static MergedFrameRow Row(MergedMachine machine, MergedUsbController sharing, MergedFetchLog? fetched, int frame) => fetched is not null
        ? new(frame, [.. Enumerable.Range(0, machine.Machines.Count).Select(slot => fetched.Frame(frame, slot))], fetched.Frame(frame))
        : new(
            frame,
            [.. machine.Machines.Select(vm => string.Join(' ', sharing.GuestFrame(vm, frame).Select(Letter)))],
            string.Join(' ', sharing.Picture!.Frame(frame).Select(Letter)));

    /// <summary>The letter of a structure.</summary>
    public static string LetterOf(LinkType type) => type switch
    {
        LinkType.IsochronousTransfer => "i",
        LinkType.SplitIsochronousTransfer => "s",
        LinkType.QueueHead => "q",
        _ => "f",
    };

    private static string Letter(MergedStructure structure) => LetterOf(structure.Type) + (structure.Machine.Number + 1);

    private static ulong Copied(MergedMachine machine) => machine.Host.Total()[Cost.CopiedByte];

    private static ulong Spent(MergedMachine machine) =>
        Enum.GetValues<Cost>().Aggregate(0ul, (sum, cost) => sum + machine.Host.Options.Costs.Nanoseconds(cost, machine.Host.Cpu.Processor.Meter[cost]));
}
