using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Several VMs have one USB controller, whole, one after the other.</summary>
/// <param name="kind">What controller.</param>
/// <param name="vms">How many VMs.</param>
/// <param name="options">How the controller is shared.</param>
/// <param name="seed">What the bytes of the disks come from.</param>
/// <param name="trace">Where a timeline is written, or null.</param>
internal sealed class RoundRobinRun(TurnController kind, int vms, TimeSharingOptions options, ulong seed, Stream? trace)
{
    private const ulong WindowNs = 500_000_000;
    private const ulong StartNsMax = 5_000_000_000;
    private const int Columns = 96;
    private const ulong ColumnNs = 500_000;

    /// <summary>Runs it.</summary>
    /// <exception cref="InvalidOperationException">The controller cannot be shared.</exception>
    public RoundRobinReport Run()
    {
        using TurnMachine machine = new(kind, vms, seed, trace);
        return machine.Host.Loop.Run(() => Play(machine));
    }

    private async Task<RoundRobinReport> Play(TurnMachine machine)
    {
        TurnWindow window = new(machine.Turns);
        TimeSharedController sharing = await TimeSharedController.Start(machine.Host, machine.Controller.Source, options with { Observer = window, Without = SwitchSteps.None })
            ?? throw new InvalidOperationException("The controller cannot be shared.");
        TurnGuest[] guests = [.. Enumerable.Range(0, vms).Select(number => new TurnGuest(machine, number))];
        Task[] running = [.. guests.Select(guest => guest.Run(sharing))];
        foreach (TurnGuest guest in guests)
            _ = await guest.Ready.Wait(StartNsMax);

        // From here on it counts, and a step is left out: VMs whose devices were not found would have nothing to lose.
        sharing.Without = options.Without;
        window.Open(sharing);
        machine.Reach.Open(machine.Host, sharing);
        BusLedger bus = machine.Account.Open(machine.Host.Loop.NowNs);
        foreach (TurnGuest guest in guests)
            guest.Begin(sharing);
        await machine.Host.Loop.Delay(WindowNs);
        window.Close();
        machine.Reach.Close();
        machine.Account.Close();
        RoundRobinReport report = Report(machine, sharing, window, guests) with { Missed = Missed(bus, machine.Host.Loop.NowNs) };

        // Whoever waits for a transfer is let go with the controller.
        foreach (TurnGuest guest in guests)
            guest.End();
        foreach (VirtualMachine vm in machine.Machines)
            await sharing.TakeBack(vm);
        await Task.WhenAll(running);
        return report;
    }

    private RoundRobinReport Report(TurnMachine machine, TimeSharedController sharing, TurnWindow window, TurnGuest[] guests)
    {
        TurnLedger ledger = window.Ledger;
        ulong switchNs = ledger.TotalNs - ledger.TimeOf(TurnPhase.Run) - ledger.TimeOf(TurnPhase.Idle);
        ulong switches = (ulong)window.Spans.Count(span => span.Phase == TurnPhase.Load);
        IReadOnlyList<(string Name, ulong)>[] states = [.. machine.Machines.Select(vm => sharing.StateOf(vm).Registers)];
        return new(
            kind == TurnController.Xhci ? UsbControllers.Xhci : UsbControllers.Ehci,
            options.QuantumNs,
            options.IsWorkConserving,
            options.Without == SwitchSteps.None ? "" : options.Without.ToString().ToLowerInvariant(),
            WindowNs,
            [.. guests.Select(guest => guest.Sum(window, sharing))],
            [.. machine.Machines.Select(vm => Line(vm, window.Spans, machine.Host.Loop.NowNs))],
            Missed: "",
            ColumnNs,
            machine.Account.Strip(),
            [.. states[0].Select((register, index) => new StateRow(register.Name, [.. states.Select(state => state[index].Item2)]))],
            machine.Machines.Max(sharing.StateBytesOf),
            ledger.Utilisation,
            switches,
            switches == 0 ? 0 : switchNs / switches,
            ledger.SwitchNsMax,
            ledger.WaitBoundNs(vms, options.QuantumNs),
            ledger.Jain(),
            machine.Host.Faults.Total,
            machine.Reach.Strays);
    }

    // The end of the window, a character for each column: the phase that is longest in it.
    private static string Line(VirtualMachine vm, IReadOnlyList<TurnSpan> spans, ulong endNs)
    {
        char[] line = new char[Columns];
        for (int column = 0; column < Columns; column++)
        {
            ulong from = endNs - ((ulong)(Columns - column) * ColumnNs);
            ulong to = from + ColumnNs;
            line[column] = spans.Where(span => span.Machine == vm && span.StartNs < to && span.EndNs > from)
                .OrderByDescending(span => Math.Min(span.EndNs, to) - Math.Max(span.StartNs, from))
                .Select(span => MarkOf(span.Phase)).FirstOrDefault(' ');
        }

        return new(line);
    }

    // A slot of the first VM's stream is due in each frame, which is two columns: it was missed where nothing was sent.
    private static string Missed(BusLedger bus, ulong endNs)
    {
        char[] line = new char[Columns];
        for (int column = 0; column < Columns; column += 2)
        {
            ulong first = bus.MicroframeOf(endNs - ((ulong)(Columns - column) * ColumnNs));
            bool isMissed = Enumerable.Range(0, 8).All(at => bus.In(first + (ulong)at, 0).Periodic == 0);
            line.AsSpan(column, 2).Fill(isMissed ? '×' : ' ');
        }

        return new(line);
    }

    private static char MarkOf(TurnPhase phase) => phase switch
    {
        TurnPhase.Run => '█',
        TurnPhase.Quiesce => 'q',
        TurnPhase.Save => 's',
        TurnPhase.Switch => 'x',
        TurnPhase.Load => 'l',
        _ => ' ',
    };
}
