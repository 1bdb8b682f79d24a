using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>What one VM does with its device, by drivers that are the same for every mechanism; and whether what it gets is what the device has.</summary>
/// <param name="loop">The time.</param>
/// <param name="device">The device, a high-speed one.</param>
/// <param name="isPeriodic">Whether its endpoints, beside endpoint 0, are periodic.</param>
internal abstract class SharingWork(EventLoop loop, IUsbDevice device, bool isPeriodic)
{
    /// <summary>The device.</summary>
    public IUsbDevice Device => device;

    /// <summary>Whether endpoints of the device, beside endpoint 0, are periodic.</summary>
    public bool IsPeriodic => isPeriodic;

    /// <summary>Raised once it is at work, or failed to be.</summary>
    public Signal Ready { get; } = new(loop);

    /// <summary>What went wrong; empty where nothing did.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Isochronous slots so far: how many were due, and how many of them brought nothing.</summary>
    public virtual (ulong Due, ulong Missed) Slots => default;

    /// <summary>Whether a stream has the size that was asked for first; null where it is no choice.</summary>
    public virtual bool? IsInFull => null;

    /// <summary>How long it took from each key to the guest that knows of it, in nanoseconds.</summary>
    public virtual IReadOnlyList<ulong> KeyNs => [];

    /// <summary>Whether something is still on its way to the guest.</summary>
    public virtual bool IsWaiting => false;

    /// <summary>The time.</summary>
    protected EventLoop Loop => loop;

    /// <summary>Whether the device is taken away now.</summary>
    protected bool IsOver { get; private set; }

    /// <summary>Works until the device is taken away.</summary>
    /// <exception cref="DriverException">The device failed.</exception>
    public abstract Task Run(UsbDeviceHandle device);

    /// <summary>From here on it counts.</summary>
    public virtual void Begin()
    {
    }

    /// <summary>It does not count any more.</summary>
    public virtual void Stop()
    {
    }

    /// <summary>What goes wrong from here on is no problem of the VM: its device is taken from it.</summary>
    public void Close()
    {
        IsOver = true;
        if (Problem.Length == 0)
            Problem = Check();
    }

    /// <summary>Something went wrong; the first thing is kept.</summary>
    public void Fail(string problem)
    {
        Problem = Problem.Length == 0 && !IsOver ? problem : Problem;
        Ready.Raise();
    }

    /// <summary>Compares what the guest got with what the device has.</summary>
    /// <returns>What is wrong; empty where nothing is.</returns>
    protected virtual string Check() => "";
}
