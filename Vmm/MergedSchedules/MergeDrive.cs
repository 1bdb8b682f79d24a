using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Run/stop of the real controller, and which of its schedules are on.</summary>
/// <param name="loop">The time.</param>
/// <param name="hardware">The controller.</param>
internal sealed class MergeDrive(EventLoop loop, MergedEhci hardware)
{
    /// <summary>When it is to be tried again; the end of time where all is as it shall be.</summary>
    public ulong RetryNs { get; private set; } = ulong.MaxValue;

    /// <summary>Drives it: what the guests want together, and until nothing of them is held.</summary>
    /// <param name="run">Whether it is to run.</param>
    /// <param name="async">Whether its asynchronous schedule is to be on.</param>
    /// <param name="periodic">Whether its periodic schedule is to be on.</param>
    /// <returns>Whether it began to run.</returns>
    public bool Apply(bool run, bool async, bool periodic)
    {
        RetryNs = ulong.MaxValue;
        UsbCommand now = hardware.Command;
        UsbCommand asked = now with { Run = run, AsyncEnable = async, PeriodicEnable = periodic, InterruptThreshold = 1, ParkEnable = false };
        if (asked == now)
            return false;

        // A schedule is not switched while the last switch has not taken effect, nor is a controller started that has not halted.
        UsbStatus status = hardware.Status;
        UsbCommand wanted = asked;
        if (wanted.AsyncEnable != now.AsyncEnable && now.AsyncEnable != status.AsyncActive)
            wanted = wanted with { AsyncEnable = now.AsyncEnable };
        if (wanted.PeriodicEnable != now.PeriodicEnable && now.PeriodicEnable != status.PeriodicActive)
            wanted = wanted with { PeriodicEnable = now.PeriodicEnable };
        if (wanted.Run && !now.Run && !status.Halted)
            wanted = wanted with { Run = false };
        if (wanted != asked)
            RetryNs = loop.NowNs + WireTime.MicroframeNs;
        hardware.Command = wanted;
        bool starts = wanted.Run && !hardware.Clock.IsRunning;
        if (starts)
            hardware.Clock.Start(loop.NowNs);
        else if (!wanted.Run && hardware.Clock.IsRunning)
            hardware.Clock.Stop(loop.NowNs);
        return starts;
    }
}
