using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Gives one processor of the host to VMs in turn, in proportion to their weights, led by what they report of their work.</summary>
/// <remarks>
/// Stride scheduling: each VM has a pass that grows by its run time divided by its weight, and of those that want to run the one
/// with the lowest pass does. A VM wants to run while it has work left of a fresh report, or an interrupt waits for it. One whose
/// report is stale, or that never sent any, counts as wanting: silence starves nobody, and a report of endless work brings no
/// more than the weight. What is left over goes round. A VM that does not run takes no interrupts; see <see cref="GuestSchedule"/>.
/// </remarks>
/// <param name="processor">The processor that it runs on itself.</param>
/// <param name="quantumNs">For how long a VM runs before it is decided anew, in nanoseconds.</param>
/// <param name="staleNs">From which age on a report counts for nothing, in nanoseconds.</param>
public sealed class ShareScheduler(Processor processor, ulong quantumNs = 1_000_000, ulong staleNs = 20_000_000)
{
    private readonly List<Share> _shares = [];
    private Share? _current;
    private bool _isStopped;

    /// <summary>Whose statistics lead it; null for nobody's: then all VMs count as wanting to run.</summary>
    public ManagementCore? Statistics { get; set; }

    /// <summary>How often it decided.</summary>
    public ulong Decisions { get; private set; }

    /// <summary>Puts a VM under its rule; it does not run until its turn comes.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="weight">Its weight, 1 to 1000.</param>
    public void Add(VirtualMachine machine, int weight)
    {
        if (weight is < 1 or > 1000)
            throw new ArgumentOutOfRangeException(nameof(weight), "1 to 1000.");
        _shares.Add(new(machine, weight) { Pass = LowestPass() });
        machine.Schedule.Preempt();
    }

    /// <summary>Begins to decide.</summary>
    public void Start() => processor.Loop.Start(Run);

    /// <summary>Stops deciding, and lets all VMs run.</summary>
    public void Stop()
    {
        _isStopped = true;
        foreach (Share share in _shares)
            share.Machine.Schedule.Enter();
    }

    private async Task Run()
    {
        while (!_isStopped)
        {
            _shares.RemoveAll(share => !share.Machine.IsRunning);
            Decide();
            await processor.Delay(quantumNs);
        }
    }

    private void Decide()
    {
        Decisions++;
        Share[] wanting = [.. _shares.Where(Wants)];
        foreach (Share share in _shares)
            Account(share, wanting);
        Share? next = (wanting.Length != 0 ? wanting : [.. _shares]).MinBy(share => share.Pass);
        if (next != _current)
            _current?.Machine.Schedule.Preempt();
        _current = next;
        next?.Machine.Schedule.Enter();
    }

    // Run time becomes pass. Who did not want to run saves nothing up for later.
    private static void Account(Share share, Share[] wanting)
    {
        ulong ran = share.Machine.Schedule.RunTimeNs;
        share.Pass += (ran - share.SeenNs) / (double)share.Weight;
        share.SeenNs = ran;
        bool wants = Array.IndexOf(wanting, share) >= 0;
        if (wants && !share.Wanted)
        {
            double lowest = wanting.Where(other => other.Wanted).Select(other => other.Pass).DefaultIfEmpty(share.Pass).Min();
            share.Pass = Math.Max(share.Pass, lowest);
        }

        share.Wanted = wants;
    }

    private double LowestPass() => _shares.Where(share => share.Wanted).Select(share => share.Pass).DefaultIfEmpty(0).Min();

    private bool Wants(Share share) =>
        Statistics?.WorkOf(share.Machine) is not { } work || work.AgeNs > staleNs || work.LeftNs != 0 || share.Machine.Cpu.Gates.Apic.IsDue;

    private sealed class Share(VirtualMachine machine, int weight)
    {
        public VirtualMachine Machine => machine;

        public int Weight => weight;

        public double Pass { get; set; }

        public ulong SeenNs { get; set; } = machine.Schedule.RunTimeNs;

        public bool Wanted { get; set; }
    }
}
