using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One downstream port of a hub: its status word as a state machine (USB 2.0, downstream facing ports).</summary>
/// <remarks>
/// <code>
/// off --power--> disconnected --plug--> disabled --reset, 10 ms--> enabled --suspend--> suspended --resume, 20 ms--> enabled
/// </code>
/// Whatever loses power, the device or the hub's configuration is off or disconnected at once.
/// </remarks>
internal sealed class HubPort
{
    private const ulong ResetNs = 10_000_000;
    private const ulong ResumeNs = 20_000_000;
    private const ulong PowerUnitNs = 2_000_000;

    private readonly EventLoop _loop;
    private readonly UsbHub _hub;
    private readonly UsbHubOptions _options;
    private readonly ScheduledEvent _timer;
    private HubPortStatus _status;
    private bool _isPowerGood;

    /// <summary>A port that is off.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="hub">Its hub.</param>
    /// <param name="number">From 1.</param>
    /// <param name="options">How the hub is built.</param>
    public HubPort(EventLoop loop, UsbHub hub, int number, UsbHubOptions options)
    {
        (_loop, _hub, _options) = (loop, hub, options);
        Socket = new(hub, number);
        _timer = new(TimeIsUp);
    }

    /// <summary>Where devices are plugged in.</summary>
    public UsbPort Socket { get; }

    /// <summary>The answer to GET_STATUS.</summary>
    public HubPortStatus Status
    {
        get => _status;
        private set
        {
            _status = value;
            Socket.Passes = value is { Enabled: true, Suspended: false, Resetting: false, Testing: false };
        }
    }

    /// <summary>Whether the host has not yet cleared a change.</summary>
    public bool HasChange => _status is { ConnectionChange: true } or { EnableChange: true } or { SuspendChange: true }
        or { OverCurrentChange: true } or { ResetChange: true };

    /// <summary>The port loses its power: at the start, by request, or with the hub's configuration.</summary>
    public void TurnOff()
    {
        _timer.Cancel();
        _isPowerGood = false;
        Status = default;
        Socket.Device?.Reset();
    }

    /// <summary>SET_FEATURE.</summary>
    /// <returns>Whether there is such a feature to set; one that is out of place in the port's state passes without effect.</returns>
    public bool Set(PortFeature feature, byte selector)
    {
        switch (feature)
        {
            case PortFeature.Power:
                if (_status is { Powered: false, OverCurrent: false })
                {
                    Status = _status with { Powered = true };
                    _loop.Schedule(_options.PowerOnToPowerGood * PowerUnitNs, _timer);
                }

                return true;
            case PortFeature.Suspend:
                if (_status is { Enabled: true, Suspended: false })
                {
                    Status = _status with { Suspended = true };
                    Socket.Device?.Suspend();
                }

                return true;
            case PortFeature.Reset:
                if (_status is { Connected: true, Resetting: false })
                {
                    Status = _status with { Resetting = true, Enabled = false, Suspended = false, LowSpeed = false, HighSpeed = false };
                    _loop.Schedule(ResetNs, _timer);
                }

                return true;
            case PortFeature.Test when selector != 0:
                Status = _status with { Testing = true };
                return true;
            case PortFeature.Indicator when _options.HasIndicators:
                Status = _status with { IndicatorControl = selector != 0 };
                return true;
            default:
                return false;
        }
    }

    /// <summary>CLEAR_FEATURE.</summary>
    /// <inheritdoc cref="Set"/>
    public bool Clear(PortFeature feature)
    {
        HubPortStatus? cleared = feature switch
        {
            PortFeature.ConnectionChange => _status with { ConnectionChange = false },
            PortFeature.EnableChange => _status with { EnableChange = false },
            PortFeature.SuspendChange => _status with { SuspendChange = false },
            PortFeature.OverCurrentChange => _status with { OverCurrentChange = false },
            PortFeature.ResetChange => _status with { ResetChange = false },
            PortFeature.Indicator when _options.HasIndicators => _status with { IndicatorControl = false },
            _ => null,
        };
        switch (feature)
        {
            case PortFeature.Power:
                TurnOff();
                return true;
            case PortFeature.Suspend:
                BeginResume();
                return true;
            case PortFeature.Enable:
                Disable();
                return true;
            default:
                if (cleared is not { } status)
                    return false;
                Status = status;
                return true;
        }
    }

    /// <summary>A device was plugged in or pulled out.</summary>
    /// <returns>Whether that is a change that the host is told of.</returns>
    public bool Connect()
    {
        bool isConnected = Socket.Device is not null;
        if (!_isPowerGood || isConnected == _status.Connected)
            return false;
        _timer.Cancel();
        Status = _status with
        {
            Connected = isConnected,
            ConnectionChange = true,
            Enabled = false,
            Suspended = false,
            Resetting = false,
            HighSpeed = false,
            LowSpeed = isConnected && Socket.Device!.Speed == UsbSpeed.Low,
        };
        return true;
    }

    /// <summary>The current through the port became too much, or is well again; too much takes its power.</summary>
    /// <returns>Whether that is a change that the host is told of.</returns>
    public bool SetOverCurrent(bool isOver)
    {
        if (isOver == _status.OverCurrent)
            return false;
        bool hadPower = _status.Powered;
        if (isOver)
            TurnOff();
        Status = _status with { OverCurrent = isOver, OverCurrentChange = hadPower || _status.OverCurrentChange };
        return HasChange;
    }

    /// <summary>The device talked past the end of the frame: the port is shut.</summary>
    public void Shut()
    {
        if (_status.Enabled)
            Status = _status with { Enabled = false, Suspended = false, EnableChange = true };
    }

    /// <summary>The host, or the device itself, ends the port's suspension; the hub signals resume for a while.</summary>
    /// <returns>Whether it was suspended.</returns>
    public bool BeginResume()
    {
        if (!_status.Suspended)
            return false;
        if (!_timer.IsPending)
            _loop.Schedule(ResumeNs, _timer);
        return true;
    }

    /// <summary>The hub was suspended, and with it everything that was awake below.</summary>
    public void SuspendBelow()
    {
        if (Socket.Passes)
            Socket.Device?.Suspend();
    }

    /// <summary>The hub is awake again.</summary>
    public void ResumeBelow()
    {
        if (Socket.Passes)
            Socket.Device?.Resume();
    }

    private void TimeIsUp()
    {
        if (!_isPowerGood)
        {
            _isPowerGood = true;
            _ = Connect();
        }
        else if (_status.Resetting)
        {
            EndReset();
        }
        else if (_status.Suspended)
        {
            Status = _status with { Suspended = false, SuspendChange = true };
            Socket.Device?.Resume();
        }

        _hub.PortMayHaveChanged();
    }

    // A reset or resume that is under way ends with that: a device that was being reset has no address any more, and hears nothing.
    private void Disable()
    {
        if (_isPowerGood)
            _timer.Cancel();
        if (_status.Resetting)
            Socket.Device?.Reset();
        Status = _status with
        {
            Enabled = false,
            Suspended = false,
            Resetting = false,
            LowSpeed = _status.Resetting ? Socket.Device?.Speed == UsbSpeed.Low : _status.LowSpeed,
        };
    }

    // The end of a reset tells how fast the device talks, and so which bus it is on: the hub's own, or its translator's.
    private void EndReset()
    {
        IUsbDevice device = Socket.Device!;
        UsbSpeed speed = device.Speed < UsbSpeed.High ? device.Speed : _hub.IsHighSpeed ? UsbSpeed.High : UsbSpeed.Full;
        Socket.Speed = speed;
        Socket.Bus = _hub.BusFor(Socket.Number, speed);
        device.Reset();
        Status = _status with
        {
            Resetting = false,
            ResetChange = true,
            Enabled = true,
            LowSpeed = speed == UsbSpeed.Low,
            HighSpeed = speed == UsbSpeed.High,
        };
    }
}
