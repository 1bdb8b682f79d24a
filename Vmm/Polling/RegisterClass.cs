namespace Dma.Vmm;

/// <summary>What a write to a register means, which decides whether one who compares memory now and then can see it.</summary>
public enum RegisterClass
{
    /// <summary>It never changes.</summary>
    Constant,

    /// <summary>The last value counts, such as a base address: safe.</summary>
    Plain,

    /// <summary>Each value is a command: safe as long as no two are written within a poll period.</summary>
    Command,

    /// <summary>A written one clears: a one over a one leaves memory as it is, and is lost.</summary>
    ClearOnOne,

    /// <summary>A doorbell that reads as zero and is rung with something else: safe, but for a second, different one within a period.</summary>
    Doorbell,

    /// <summary>A doorbell that reads as zero and is rung with zero: lost, unless it rests at another value, which is then read wrongly.</summary>
    ZeroDoorbell,

    /// <summary>It changes with time: what is read is as old as a poll period at most.</summary>
    FreeRunning,
}
