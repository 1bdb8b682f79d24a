using Dma.Machine;

namespace Dma.Lab;

/// <summary>What was charged in a world between two moments, to whom.</summary>
/// <param name="world">The world, started.</param>
/// <param name="log">The transfers of its guest.</param>
internal sealed class ModelMeter(ModelWorld world, TransferLog log)
{
    private ulong[] _guest = [];
    private ulong[] _vmm = [];
    private ulong[] _drivers = [];
    private ulong _startNs;

    /// <summary>Counts from here.</summary>
    public void Start()
    {
        log.Clear();
        (_guest, _vmm, _drivers) = (Counts(world.Machine.Cpu.Processor), Counts(world.Host.Cpu.Processor), Counts(world.Stack?.Processor));
        _startNs = world.Host.Loop.NowNs;
    }

    /// <summary>What it came to.</summary>
    /// <param name="work">The work.</param>
    /// <param name="outcome">What else is known of it.</param>
    public ModelFigures Stop(string work, ModelOutcome outcome)
    {
        ulong[] guest = Since(_guest, world.Machine.Cpu.Processor);
        ulong[] vmm = Since(_vmm, world.Host.Cpu.Processor);
        ulong[] drivers = Since(_drivers, world.Stack?.Processor);
        ulong All(Cost cost) => guest[(int)cost] + vmm[(int)cost] + drivers[(int)cost];
        return new()
        {
            Controller = world.Kind,
            Model = world.Model,
            Work = work,
            Transfers = log.Count,
            Bytes = log.Bytes,
            Exits = guest[(int)Cost.Exit],
            Hypercalls = guest[(int)Cost.Hypercall],
            Injections = guest[(int)Cost.InterruptInjection],
            Invalidations = All(Cost.Invalidation),
            CopiedBytes = All(Cost.CopiedByte),
            LatencyMean = (outcome.Latency ?? log).MeanMicroframes,
            LatencyMax = (outcome.Latency ?? log).MaxMicroframes,
            GuestCycles = Cycles(guest),
            VmmCycles = Cycles(vmm),
            HostCycles = Cycles(drivers),
            SlotsDue = outcome.SlotsDue,
            SlotsMissed = outcome.SlotsMissed,
            TimeNs = world.Host.Loop.NowNs - _startNs,
            Sha256 = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(outcome.Data)),
            IsEqual = outcome.IsEqual,
        };
    }

    private static ulong[] Counts(Processor? processor) =>
        [.. Enum.GetValues<Cost>().Select(cost => processor?.Meter[cost] ?? 0)];

    private static ulong[] Since(ulong[] before, Processor? processor) => [.. Counts(processor).Zip(before, (now, then) => now - then)];

    private ulong Cycles(ulong[] counts)
    {
        CostModel costs = world.Host.Options.Costs;
        ulong ns = 0;
        foreach (Cost cost in Enum.GetValues<Cost>())
            ns += costs.Nanoseconds(cost, counts[(int)cost]);
        return ns * CostModel.CyclesPerMicrosecond / 1000;
    }
}

/// <summary>What a piece of work came to, beside what it cost.</summary>
/// <param name="Data">What one side got of the other.</param>
/// <param name="IsEqual">Whether that is what the other side has.</param>
/// <param name="SlotsDue">Isochronous slots that were due.</param>
/// <param name="SlotsMissed">Those of them that were missed, as the device counts.</param>
internal sealed record ModelOutcome(byte[] Data, bool IsEqual, ulong SlotsDue = 0, ulong SlotsMissed = 0)
{
    /// <summary>What latency is measured by, where it is not that of the transfers.</summary>
    public TransferLog? Latency { get; init; }
}
