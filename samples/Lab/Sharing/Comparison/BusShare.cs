using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What one VM has of its bus.</summary>
/// <param name="isPeriodic">Whether endpoints of its device, beside endpoint 0, are periodic.</param>
internal sealed class BusShare(bool isPeriodic)
{
    /// <summary>Whether endpoints of its device, beside endpoint 0, are periodic.</summary>
    public bool IsPeriodic => isPeriodic;

    /// <summary>How long it waited for the bus while it had work.</summary>
    public ServiceGap Gap { get; private set; } = new();

    /// <summary>Bus time, in nanoseconds.</summary>
    public ulong TimeNs { get; set; }

    /// <summary>Counts anew.</summary>
    /// <param name="nowNs">The time.</param>
    /// <param name="hasWork">Whether it waits for the bus now.</param>
    public void Restart(ulong nowNs, bool hasWork)
    {
        (Gap, TimeNs) = (new(), 0);
        if (hasWork && !IsPeriodic)
            Gap.Backlogged(nowNs);
    }
}
