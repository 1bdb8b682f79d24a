using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>One step of a program on a VM with a user-level monitor.</summary>
/// <param name="Act">What is done.</param>
/// <param name="Page">To which page.</param>
/// <param name="Length">To how many bytes.</param>
/// <param name="Seed">What else chance decides.</param>
internal sealed record MonitorStep(MonitorAct Act, int Page, int Length, int Seed)
{
    private const int StepsMax = 60;

    /// <summary>Programs of all acts.</summary>
    public static Arbitrary<MonitorStep[]> Programs { get; } = Generate.Program(
        from act in Gen.Frequency(
            (6, Gen.Elements(MonitorAct.Read, MonitorAct.Write)),
            (2, Gen.Elements(MonitorAct.Load, MonitorAct.Store)),
            (4, Gen.Elements(MonitorAct.Move, MonitorAct.SwapOut, MonitorAct.Balloon, MonitorAct.GiveToOther)),
            (2, Gen.Elements(MonitorAct.MoveAndWrite, MonitorAct.SwapAndRead, MonitorAct.ReadHole)),
            (2, Gen.Elements(MonitorAct.Receive, MonitorAct.Send, MonitorAct.Finish)),
            (2, Gen.Elements(MonitorAct.Log, MonitorAct.Harvest)),
            (1, Gen.Constant(MonitorAct.Kill)))
        from page in Gen.Choose(0, MonitorBench.Pages - 1)
        from length in Gen.Choose(1, 9000)
        from seed in Gen.Choose(0, int.MaxValue - 1)
        select new MonitorStep(act, page, length, seed),
        StepsMax);
}

/// <summary>What is done in a step.</summary>
internal enum MonitorAct
{
    /// <summary>A model reads.</summary>
    Read,

    /// <summary>A model writes.</summary>
    Write,

    /// <summary>The guest reads.</summary>
    Load,

    /// <summary>The guest writes.</summary>
    Store,

    /// <summary>The page gets another frame.</summary>
    Move,

    /// <summary>The page goes to the backing store.</summary>
    SwapOut,

    /// <summary>The guest gives the page up.</summary>
    Balloon,

    /// <summary>Another VM gets a frame that is free, and writes it.</summary>
    GiveToOther,

    /// <summary>A model writes the page while it moves.</summary>
    MoveAndWrite,

    /// <summary>A model reads the page while it is swapped out.</summary>
    SwapAndRead,

    /// <summary>A model reads where no memory is.</summary>
    ReadHole,

    /// <summary>A transfer of the host into the VM begins.</summary>
    Receive,

    /// <summary>A transfer of the host out of the VM begins.</summary>
    Send,

    /// <summary>The oldest transfer ends.</summary>
    Finish,

    /// <summary>What is written is logged from now on, or no longer.</summary>
    Log,

    /// <summary>What was written is asked for.</summary>
    Harvest,

    /// <summary>The monitor crashes, and another one is started.</summary>
    Kill,
}
