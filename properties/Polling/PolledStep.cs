using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What becomes of a VM whose registers are polled, in one step.</summary>
internal enum PolledAct
{
    /// <summary>Its software stores, one value after the other.</summary>
    Stores,

    /// <summary>Its software stores more at once than a ring has room for.</summary>
    Flood,

    /// <summary>Its software fills the ring with what makes no sense.</summary>
    Nonsense,

    /// <summary>Something happens in its device.</summary>
    Happen,

    /// <summary>Its device is given back, or it gets one.</summary>
    Plug,

    /// <summary>It crashes and is destroyed, or another one is started in its place.</summary>
    Life,

    /// <summary>Its device is reset.</summary>
    Reset,

    /// <summary>The registers get another place.</summary>
    Move,

    /// <summary>Memory decoding is turned off, or on again.</summary>
    Decode,
}

/// <summary>A step of one VM; all others go on with their stores meanwhile.</summary>
/// <param name="Number">Which VM.</param>
/// <param name="Act">What becomes of it.</param>
/// <param name="Seed">What else chance decides.</param>
internal sealed record PolledStep(int Number, PolledAct Act, int Seed);

/// <summary>What becomes of several VMs that have one poller.</summary>
/// <param name="Access">How their registers are polled.</param>
/// <param name="Machines">How many VMs.</param>
/// <param name="ChangesMax">How many changes of a device a turn deals with.</param>
/// <param name="IdleTurnsMax">After how many turns without one the poller naps; null for never.</param>
/// <param name="Steps">The steps.</param>
internal sealed record PolledProgram(PolledAccess Access, int Machines, int ChangesMax, int? IdleTurnsMax, PolledStep[] Steps)
{
    /// <summary>The most VMs.</summary>
    public const int MachinesMax = 4;

    private const int StepsMax = 14;

    private static readonly Arbitrary<PolledStep[]> s_steps = Generate.Program(
        from number in Gen.Choose(0, MachinesMax - 1)
        from act in Gen.Frequency(
            (4, Gen.Elements(PolledAct.Stores, PolledAct.Happen)),
            (4, Gen.Elements(PolledAct.Flood, PolledAct.Nonsense)),
            (3, Gen.Elements(PolledAct.Plug, PolledAct.Life)),
            (3, Gen.Elements(PolledAct.Reset, PolledAct.Move, PolledAct.Decode)))
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new PolledStep(number, act, seed),
        StepsMax);

    /// <summary>Programs of all acts; smaller ones have fewer steps or fewer VMs.</summary>
    public static Arbitrary<PolledProgram> All { get; } = Arb.From(
        from access in Gen.Elements(PolledAccess.WriteRing, PolledAccess.WriteRing, PolledAccess.EveryPage)
        from machines in Gen.Choose(2, MachinesMax)
        from changesMax in Gen.Elements(1, 4, 64)
        from idleTurnsMax in Gen.Elements((int?)null, 3)
        from steps in s_steps.Generator
        select new PolledProgram(access, machines, changesMax, idleTurnsMax, steps),
        program => s_steps.Shrinker(program.Steps).Select(steps => program with { Steps = steps })
            .Concat(program.Machines > 2 ? [program with { Machines = program.Machines - 1 }] : []));

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Access}, {Machines} VMs, {ChangesMax} changes, naps after {IdleTurnsMax}: {string.Join(", ", Steps.Select(step => $"{step.Number % Machines} {step.Act} ({step.Seed})"))}";
}
