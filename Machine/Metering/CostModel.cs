namespace Dma.Machine;

/// <summary>What each kind of work costs in virtual time. A model: it orders designs, it does not predict a product.</summary>
/// <remarks>
/// The defaults are those of the mechanisms sheet, section 1 (a processor at 3 GHz); the register access is an
/// uncached PCI Express round trip of half a microsecond, and a notification is assumed to cost a fifth of an exit. An upcall is
/// assumed to be two context switches of half a microsecond each, and a system call to take a fifth of one upcall.
/// </remarks>
public sealed record CostModel
{
    /// <summary>Cycles of the processor of the sheet in a microsecond.</summary>
    public const ulong CyclesPerMicrosecond = 3_000;

    /// <summary>The defaults.</summary>
    public static CostModel Default { get; } = new();

    /// <summary>Exit and entry, ns.</summary>
    public ulong ExitNs { get; init; } = 1_500;

    /// <summary>The work of a hypercall on page tables, ns.</summary>
    public ulong HypercallNs { get; init; } = 2_000;

    /// <summary>Injecting an interrupt, ns.</summary>
    public ulong InterruptInjectionNs { get; init; } = 2_000;

    /// <summary>Taking posted interrupts in, ns.</summary>
    public ulong NotificationNs { get; init; } = 300;

    /// <summary>Invalidating and waiting, ns.</summary>
    public ulong InvalidationNs { get; init; } = 1_000;

    /// <summary>A second-level page fault, ns.</summary>
    public ulong PageFaultNs { get; init; } = 2_500;

    /// <summary>One access to a device register, ns.</summary>
    public ulong RegisterAccessNs { get; init; } = 500;

    /// <summary>Waking a process, and coming back from it, ns.</summary>
    public ulong UpcallNs { get; init; } = 1_000;

    /// <summary>A system call, ns.</summary>
    public ulong SystemCallNs { get; init; } = 200;

    /// <summary>Going from one VM to another, ns.</summary>
    public ulong MachineSwitchNs { get; init; } = 5_000;

    /// <summary>Starting a copy, ns.</summary>
    public ulong CopyNs { get; init; } = 100;

    /// <summary>Copying one byte, picoseconds.</summary>
    public ulong CopiedBytePs { get; init; } = 100;

    /// <summary>The time of some work.</summary>
    /// <param name="cost">The kind of work.</param>
    /// <param name="times">How often, or how many bytes.</param>
    public ulong Nanoseconds(Cost cost, ulong times) => cost switch
    {
        Cost.Exit => ExitNs * times,
        Cost.Hypercall => HypercallNs * times,
        Cost.InterruptInjection => InterruptInjectionNs * times,
        Cost.Notification => NotificationNs * times,
        Cost.Invalidation => InvalidationNs * times,
        Cost.PageFault => PageFaultNs * times,
        Cost.RegisterAccess => RegisterAccessNs * times,
        Cost.Upcall => UpcallNs * times,
        Cost.SystemCall => SystemCallNs * times,
        Cost.MachineSwitch => MachineSwitchNs * times,
        Cost.Copy => CopyNs * times,
        Cost.CopiedByte => CopiedBytePs * times / 1000,
        _ => throw new ArgumentOutOfRangeException(nameof(cost)),
    };
}
