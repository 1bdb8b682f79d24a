namespace Dma.Vmm;

/// <summary>What was counted of a user-level monitor.</summary>
public sealed class MonitorCounts
{
    /// <summary>Faults in the window after which a page was there.</summary>
    public ulong Faults { get; internal set; }

    /// <summary>Faults in the window at addresses that are no memory of the VM.</summary>
    public ulong RefusedFaults { get; internal set; }

    /// <summary>Pages that had to make room for others: only where the window is smaller than the VM.</summary>
    public ulong Evictions { get; internal set; }

    /// <summary>Pages that were taken out of the window since they lost their frame.</summary>
    public ulong ShootDowns { get; internal set; }

    /// <summary>Reads and writes of memory of the VM, whatever their length.</summary>
    public ulong Accesses { get; internal set; }

    /// <summary>System calls for the sake of memory.</summary>
    public ulong SystemCalls { get; internal set; }

    /// <summary>System calls for interrupts.</summary>
    public ulong Interrupts { get; internal set; }

    /// <summary>Accesses of the guest to registers of its models.</summary>
    public ulong Upcalls { get; internal set; }
}
