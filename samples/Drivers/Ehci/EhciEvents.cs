using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>Waiting for the controller, by as many as want to: one waits for the interrupt, the others for him.</summary>
/// <remarks>
/// An interrupt only says that it is worth looking: each who waited looks at his own descriptors in memory and, where they
/// are not done, waits again. Who finds nobody at the interrupt takes that place.
/// </remarks>
internal sealed class EhciEvents(IDevice device, EhciRegisters registers)
{
    /// <summary>How long a lost interrupt may go unnoticed, in nanoseconds.</summary>
    public const ulong WatchdogNs = 10_000_000;

    private readonly Signal _passed = new(device.Processor.Loop);
    private bool _isWatched;

    /// <summary>Whether the controller stopped, by itself or because it was told to.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Virtual time, in nanoseconds.</summary>
    public ulong NowNs => device.Processor.Loop.NowNs;

    /// <summary>From now on the controller counts as stopped.</summary>
    public void Stop() => HasStopped = true;

    /// <summary>A point in time, in nanoseconds since power-on; the end of time where it lies beyond.</summary>
    public ulong After(ulong delayNs) => delayNs > ulong.MaxValue - NowNs ? ulong.MaxValue : NowNs + delayNs;

    /// <summary>Waits until something may have happened, and acknowledges it.</summary>
    /// <param name="endNs">When to look at the latest, in nanoseconds since power-on.</param>
    /// <returns>Whether an unlinked queue head was let go of, as far as this call saw it.</returns>
    public async ValueTask<bool> Next(ulong endNs)
    {
        ulong timeoutNs = Math.Min(endNs > NowNs ? endNs - NowNs : 0, WatchdogNs);
        if (_isWatched)
        {
            _ = await _passed.Wait(timeoutNs);
            return false;
        }

        _isWatched = true;
        _ = await device.Interrupt.Wait(timeoutNs);
        UsbStatus status = registers.Status;
        registers.Acknowledge(status);

        // A host system error halts the controller; so does the removal of its card, after which all bits read as one.
        HasStopped |= status.HostSystemError || status.Halted;
        _isWatched = false;
        _passed.Raise();
        _passed.Clear();
        return status.AsyncAdvance;
    }
}
