using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>How schedules of VMs are merged.</summary>
public sealed record MergeOptions
{
    /// <summary>The earliest that a frame can be looked at before it begins, in microframes.</summary>
    public const int AheadMax = 64;

    /// <summary>The latest that a frame can be looked at after it began, in microframes.</summary>
    public const int LateMax = 7;

    /// <summary>Who merges. What is said below of looks and copies does not matter where hardware does.</summary>
    public MergeMethod Method { get; init; }

    /// <summary>How descriptors are found that guests add or change.</summary>
    public DiscoveryMethod Discovery { get; init; }

    /// <summary>How long before a frame begins its list is merged, in microframes, -<see cref="LateMax"/> to <see cref="AheadMax"/>.</summary>
    /// <remarks>
    /// The virtual controllers say that they read isochronous structures a whole frame ahead, so drivers stay 8 microframes ahead of
    /// the current one. With one microframe nothing that they may still write is missed, and the VMM has 125 µs for its work.
    /// </remarks>
    public int AheadMicroframes { get; init; } = 1;

    /// <summary>What periodic transactions of one VM may take of each microframe, in nanoseconds; those of all together may take <see cref="PeriodicBudget.LimitNs"/>.</summary>
    public uint PeriodicShareNs { get; init; } = PeriodicBudget.LimitNs;

    /// <summary>For how long a VM may have address 0 while others wait for it, in nanoseconds.</summary>
    public ulong AddressZeroNsMax { get; init; } = 1_000_000_000;

    /// <summary>Who polls the registers of the virtual controllers, writes going through a ring; null where they trap.</summary>
    public RegisterPoller? Poller { get; init; }

    /// <summary>What is left out. It may change while the VMM merges, but for <see cref="MergeSteps.Addresses"/>; an engine keeps what it was built with.</summary>
    public MergeSteps Without { get; set; }

    /// <summary>Who sees which device address belongs to which VM; may be null. A register set is a VM, in the order of their numbers on the controller.</summary>
    public IBusShareObserver? Observer { get; init; }

    internal bool Skips(MergeSteps step) => (Without & step) != 0;

    /// <summary>The options, or the usual ones, if schedules can be merged like that.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They cannot.</exception>
    internal static MergeOptions Check(MergeOptions? options)
    {
        MergeOptions chosen = options ?? new();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(chosen.AheadMicroframes, AheadMax, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.AheadMicroframes, -LateMax, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(chosen.PeriodicShareNs, PeriodicBudget.LimitNs, nameof(options));
        return chosen;
    }
}
