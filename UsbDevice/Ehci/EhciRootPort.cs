using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One root port: PORTSC as a state machine (EHCI, port routing and control).</summary>
/// <remarks>
/// A port can be enabled by a reset alone, and only where the device answers it at high speed; whatever else ends up
/// there is left to a companion controller. A port without a socket looks as one with nothing plugged in.
/// </remarks>
internal sealed class EhciRootPort(EhciRegisters registers, int index, EhciRegisterSet owner)
{
    /// <summary>When nothing is due.</summary>
    public const ulong Never = ulong.MaxValue;

    // A device may take this long to notice a reset (USB 2.0, reset signaling); shorter ones do nothing.
    private const ulong ResetNsMin = 10_000_000;

    // How long after software's write the hardware takes to end a reset or a resume; 2 ms at most.
    private const ulong EndNs = 1_000_000;

    private ulong _resetBeganNs;
    private bool _isEnding;

    // As its set was told: software's own write has already changed the register when the port hears of it.
    private bool _wasEnabled;

    /// <summary>When the port wants <see cref="Tick"/> to be called.</summary>
    public ulong DueNs { get; private set; } = Never;

    /// <summary>The socket behind it; null while it has none.</summary>
    public UsbPort? Socket { get; private set; }

    /// <summary>Whether the device behind it is kept off the bus, though the port is enabled.</summary>
    public bool IsHeld
    {
        get;
        set
        {
            field = value;
            Pass();
        }
    }

    private IUsbDevice? Device => Socket?.Device;

    private PortStatusControl Value
    {
        get => registers[index];
        set
        {
            registers[index] = value;
            if (_wasEnabled != value.Enabled)
                Tell(value.Enabled);
            Pass();
        }
    }

    /// <summary>Puts the port before a socket, or before none; software sees a device come or go.</summary>
    /// <param name="socket">The socket; null for none.</param>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool Face(UsbPort? socket, bool isConfigured)
    {
        // The device that goes is gone even where another one comes at the same moment.
        if (Socket is { } old)
        {
            old.Passes = false;
            Tell(isEnabled: false);
            Socket = null;
            _ = Connect(isConfigured);
        }

        (Socket, IsHeld) = (socket, false);
        return Connect(isConfigured) || Value.ConnectChange;
    }

    /// <summary>The registers are at their reset values: the port starts again from there.</summary>
    public void Reset()
    {
        (DueNs, _isEnding) = (Never, false);
        IsHeld = false;
        Tell(isEnabled: false);
        _ = Connect(isConfigured: false);
    }

    /// <summary>A device came or went, or power or ownership changed.</summary>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool Connect(bool isConfigured)
    {
        // What a companion loses comes back to this controller.
        if (Device is null && isConfigured)
            Value = Value with { Owner = false };
        bool isConnected = Device is not null && Value is { Power: true, Owner: false };
        bool isChange = isConnected != Value.Connected;
        if (isChange || !isConnected)
        {
            Value = Value with
            {
                Connected = isConnected,
                ConnectChange = Value.ConnectChange || isChange,
                Enabled = false,
                Suspend = false,
                ForceResume = false,
                LineState = IdleLine(isConnected),
            };
        }

        return isChange;
    }

    /// <summary>CONFIGFLAG was written.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool Route(bool isConfigured)
    {
        Value = Value with { Owner = !isConfigured };
        return Connect(isConfigured);
    }

    /// <summary>The device signals that it wants to wake the host.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool Wake()
    {
        if (Value is not { Suspend: true, ForceResume: false, Owner: false })
            return false;
        Value = Value with { ForceResume = true };
        return true;
    }

    /// <summary>The current through the port became too much, or is well again.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool SetOverCurrent(bool isOver, bool isConfigured)
    {
        PortStatusControl value = Value;
        if (value.OverCurrent == isOver)
            return false;
        bool losesPower = isOver && registers.HasPowerControl;
        Value = value with { OverCurrent = isOver, OverCurrentChange = true, Power = value.Power && !losesPower };
        _ = Connect(isConfigured);
        return !Value.Owner;
    }

    /// <summary>The device talked past the end of the microframe: the port is shut.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool DisableByError()
    {
        if (!Value.Enabled)
            return false;
        Value = Value with { Enabled = false, Suspend = false, EnableChange = true };
        return true;
    }

    /// <summary>Software wrote PORTSC.</summary>
    /// <param name="before">Its value before; the register already took what masks alone can tell.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether a change follows that software is told of.</returns>
    public bool Written(PortStatusControl before, ulong nowNs, bool isConfigured)
    {
        PortStatusControl value = Value;

        // Enabled only falls by software; suspend only rises, and only while enabled; resume only while suspended.
        bool isEnabled = before.Enabled && value.Enabled;
        bool isSuspended = (before.Suspend || value.Suspend) && isEnabled;
        bool isResuming = before.ForceResume || (value.ForceResume && isSuspended);
        if (isSuspended && !before.Suspend)
            Device?.Suspend();
        if (before.ForceResume && !value.ForceResume && !_isEnding)
            (DueNs, _isEnding) = (nowNs + EndNs, true);

        // Reset ends what was; the bit stays until the hardware has ended it.
        bool isReset = before.Reset || value.Reset;
        if (value.Reset && !before.Reset)
        {
            (_resetBeganNs, DueNs, _isEnding) = (nowNs, Never, false);
            (isEnabled, isSuspended, isResuming) = (false, false, false);
        }
        else if (before.Reset && !value.Reset && !_isEnding)
        {
            (DueNs, _isEnding) = (nowNs + EndNs, true);
        }

        Value = value with
        {
            Enabled = isEnabled && !isReset,
            Suspend = isSuspended && !isReset,
            ForceResume = isResuming && !isReset,
            Reset = isReset,
        };
        return Connect(isConfigured);
    }

    /// <summary>Time has come to <see cref="DueNs"/>.</summary>
    public void Tick(ulong nowNs)
    {
        (DueNs, _isEnding) = (Never, false);
        if (Value.Reset)
        {
            bool isHigh = false;
            if (Value.Connected && nowNs - _resetBeganNs >= ResetNsMin && Device is { } device)
            {
                Socket!.Speed = device.Speed;
                device.Reset();
                isHigh = device.Speed == UsbSpeed.High;
            }

            Value = Value with { Reset = false, Enabled = isHigh, LineState = isHigh ? LineState.SingleEndedZero : IdleLine(Value.Connected) };
        }
        else if (Value.ForceResume)
        {
            Value = Value with { ForceResume = false, Suspend = false };
            Device?.Resume();
        }
    }

    private void Tell(bool isEnabled)
    {
        _wasEnabled = isEnabled;
        owner.EnabledChanged(this, isEnabled);
    }

    // In a test mode the port sends patterns of its own.
    private void Pass()
    {
        if (Socket is { } socket)
            socket.Passes = !IsHeld && Value is { Connected: true, Enabled: true, Suspend: false, Reset: false, Owner: false, TestMode: 0 };
    }

    // Pulled up is D- at low speed, D+ otherwise.
    private LineState IdleLine(bool isConnected) => (isConnected, Device?.Speed) switch
    {
        (false, _) => LineState.SingleEndedZero,
        (_, UsbSpeed.Low) => LineState.KState,
        _ => LineState.JState,
    };
}
