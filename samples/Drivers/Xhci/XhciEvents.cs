using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>Who takes the events of one endpoint.</summary>
internal interface IXhciTransferEvents
{
    /// <summary>A transfer TRB is done, or something else happened to the endpoint.</summary>
    void Take(TransferEvent transfer);
}

/// <summary>Waiting for the controller, by as many as want to: one waits for the interrupt and hands events out, the others wait for him.</summary>
internal sealed class XhciEvents(IDevice device, XhciRegisters registers, XhciEventRing ring)
{
    /// <summary>How long a lost interrupt may go unnoticed, in nanoseconds.</summary>
    public const ulong WatchdogNs = 10_000_000;

    private readonly Signal _passed = new(device.Processor.Loop);
    private readonly Dictionary<(int Slot, int Endpoint), IXhciTransferEvents> _endpoints = [];
    private bool _isWatched;

    /// <summary>Whether the controller stopped, by itself or because it was told to.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>The command that was done and not looked at yet; <c>default</c> where there is none.</summary>
    public CommandCompletionEvent LastCommand { get; private set; }

    /// <summary>Virtual time, in nanoseconds.</summary>
    public ulong NowNs => device.Processor.Loop.NowNs;

    /// <summary>From now on the controller counts as stopped.</summary>
    public void Stop() => HasStopped = true;

    /// <summary>A point in time, in nanoseconds since power-on; the end of time where it lies beyond.</summary>
    public ulong After(ulong delayNs) => delayNs > ulong.MaxValue - NowNs ? ulong.MaxValue : NowNs + delayNs;

    /// <summary>The last command was looked at.</summary>
    public void ForgetCommand() => LastCommand = default;

    /// <summary>From now on the events of an endpoint go to somebody.</summary>
    public void Listen(int slot, int endpoint, IXhciTransferEvents listener) => _endpoints[(slot, endpoint)] = listener;

    /// <summary>From now on they go to nobody.</summary>
    public void Forget(int slot, int endpoint) => _endpoints.Remove((slot, endpoint));

    /// <summary>Waits until something may have happened, and hands it out.</summary>
    /// <param name="endNs">When to look at the latest, in nanoseconds since power-on.</param>
    public async ValueTask Next(ulong endNs)
    {
        ulong timeoutNs = Math.Min(endNs > NowNs ? endNs - NowNs : 0, WatchdogNs);
        if (_isWatched)
        {
            _ = await _passed.Wait(timeoutNs);
            return;
        }

        _isWatched = true;
        _ = await device.Interrupt.Wait(timeoutNs);
        XhciStatus status = registers.Status;

        // First the cause, then the events: what comes in between interrupts anew.
        registers.Acknowledge(status);
        HasStopped |= status.HostSystemError || status.ControllerError || status.Halted;
        bool hasTaken = false;
        while (!HasStopped && ring.TryTake(out Trb trb))
        {
            HandOut(trb);
            hasTaken = true;
        }

        if (hasTaken)
            ring.Release();
        _isWatched = false;
        _passed.Raise();
        _passed.Clear();
    }

    private void HandOut(Trb trb)
    {
        switch (trb.Type)
        {
            case TrbType.TransferEvent:
                TransferEvent transfer = new(trb.Raw);
                if (_endpoints.TryGetValue((transfer.Slot, transfer.Endpoint), out IXhciTransferEvents? listener))
                    listener.Take(transfer);
                break;
            case TrbType.CommandCompletion:
                LastCommand = new(trb.Raw);
                break;
            default:
                // Ports are looked at when somebody wants to know; nothing else was asked for.
                break;
        }
    }
}
