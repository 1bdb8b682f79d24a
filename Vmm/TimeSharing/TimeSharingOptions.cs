using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>How a controller goes from one VM to the next.</summary>
public sealed record TimeSharingOptions
{
    /// <summary>The shortest turn, in nanoseconds: it holds a whole frame wherever it begins, so that no periodic schedule is passed over for ever.</summary>
    public const ulong QuantumNsMin = 16 * WireTime.MicroframeNs;

    /// <summary>How long a turn is where nothing else is said, in nanoseconds.</summary>
    public const ulong UsualQuantumNs = 10_000_000;

    /// <summary>For how long a VM must have had no work where nothing else is said, in nanoseconds.</summary>
    public const ulong UsualIdleNs = 4 * WireTime.MicroframeNs;

    /// <summary>How long a turn is, in nanoseconds, <see cref="QuantumNsMin"/> at least.</summary>
    public ulong QuantumNs { get; init; } = UsualQuantumNs;

    /// <summary>Whether a VM without work gives its turn up, and gets none, where another VM has work.</summary>
    public bool IsWorkConserving { get; init; } = true;

    /// <summary>For how long a VM must have had no work before its turn ends early, in nanoseconds.</summary>
    public ulong IdleNs { get; init; } = UsualIdleNs;

    /// <summary>How long the controller may take to come to a stop, in nanoseconds; the periodic schedule of EHCI stops at the end of a frame. A VM for which it does not finds that it has failed. With <see cref="ulong.MaxValue"/> it is waited for, and all VMs wait with it.</summary>
    public ulong QuiesceNsMax { get; init; } = 16 * WireTime.MicroframeNs;

    /// <summary>What is left out of each switch, from the first one on.</summary>
    public SwitchSteps Without { get; init; }

    /// <summary>Who sees how time goes by; may be null.</summary>
    public ITurnObserver? Observer { get; init; }

    /// <summary>The options, or the usual ones, if a controller can be shared like that.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It cannot.</exception>
    internal static TimeSharingOptions Check(TimeSharingOptions? options)
    {
        TimeSharingOptions chosen = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.QuantumNs, QuantumNsMin, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.IdleNs, WireTime.MicroframeNs, nameof(options));
        return chosen;
    }
}
