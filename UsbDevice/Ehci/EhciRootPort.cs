using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One root port: PORTSC as a state machine (EHCI, port routing and control).</summary>
/// <remarks>
/// A port can be enabled by a reset alone, and only where the device answers it at high speed; whatever else ends up
/// there is left to a companion controller. A port without a socket looks as one with nothing plugged in, and so does one
/// whose gate is closed: what becomes of it then is behind the gate, where the driver of the registers does not see it.
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

    // PORTSC while the gate is closed: what the registers show is an empty port.
    private PortStatusControl _behindGate;

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

    /// <summary>Whether its gate is closed: the device hears no packets, keeps its state, and is not shown.</summary>
    public bool IsGated { get; private set; }

    /// <summary>Whether a change came behind the closed gate that nobody was told of.</summary>
    public bool HasChangeBehindGate { get; set; }

    /// <summary>PORTSC, with the gate open or closed.</summary>
    public PortStatusControl Status => Value;

    private IUsbDevice? Device => Socket?.Device;

    private PortStatusControl Value
    {
        get => IsGated ? _behindGate : registers[index];
        set
        {
            if (IsGated)
                _behindGate = value;
            else
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

    /// <summary>Closes the gate, or opens it.</summary>
    /// <param name="isClosed">Whether it shall be closed.</param>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether a change became visible that software is told of.</returns>
    public bool SetGate(bool isClosed, bool isConfigured)
    {
        if (isClosed == IsGated)
            return false;
        PortStatusControl value = Value;
        IsGated = isClosed;
        Value = value;
        if (isClosed)
        {
            ShowEmpty(isConfigured);
            return false;
        }

        bool isChange = Connect(isConfigured) || HasChangeBehindGate;
        HasChangeBehindGate = false;
        return isChange;
    }

    /// <summary>PORTSC gets its reset value, with the gate open or closed.</summary>
    public void ResetAlone()
    {
        Value = new(new((uint)registers.PortRule.Reset));
        Start();
        HasChangeBehindGate = false;
    }

    /// <summary>PORTSC is written, with the gate open or closed.</summary>
    /// <param name="written">What is written.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether a change follows that software is told of.</returns>
    public bool Write(uint written, ulong nowNs, bool isConfigured)
    {
        PortStatusControl before = Value;
        PortStatusControl after = new(new((uint)registers.PortRule.Write(before.Raw.Value, written, uint.MaxValue)));
        if (IsGated)
            _behindGate = after;
        else
            registers[index] = after;
        return Take(before, nowNs, isConfigured);
    }

    /// <summary>The registers are at their reset values: the port starts again from there, unless its gate keeps it out of that.</summary>
    public void Reset()
    {
        if (IsGated)
            ShowEmpty(isConfigured: false);
        else
            Start();
    }

    private void Start()
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
        // What a companion loses comes back to this controller; behind a gate, when that opens.
        if (Device is null && isConfigured && !IsGated)
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

        return Report(isChange);
    }

    /// <summary>CONFIGFLAG was written.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool Route(bool isConfigured)
    {
        if (IsGated)
        {
            ShowEmpty(isConfigured);
            return false;
        }

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
        return Report(true);
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
        return Report(!Value.Owner);
    }

    /// <summary>The device talked past the end of the microframe: the port is shut.</summary>
    /// <returns>Whether that is a change that software is told of.</returns>
    public bool DisableByError()
    {
        if (!Value.Enabled)
            return false;
        Value = Value with { Enabled = false, Suspend = false, EnableChange = true };
        return Report(true);
    }

    /// <summary>Software wrote PORTSC.</summary>
    /// <param name="before">Its value before; the register already took what masks alone can tell.</param>
    /// <param name="nowNs">The time.</param>
    /// <param name="isConfigured">CONFIGFLAG.</param>
    /// <returns>Whether a change follows that software is told of.</returns>
    public bool Written(PortStatusControl before, ulong nowNs, bool isConfigured)
    {
        if (!IsGated)
            return Take(before, nowNs, isConfigured);
        ShowEmpty(isConfigured);
        return false;
    }

    private bool Take(PortStatusControl before, ulong nowNs, bool isConfigured)
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

    // Behind a closed gate a change waits until that opens.
    private bool Report(bool isChange)
    {
        HasChangeBehindGate |= isChange && IsGated;
        return isChange && !IsGated;
    }

    private void ShowEmpty(bool isConfigured) =>
        registers[index] = new PortStatusControl { Power = !registers.HasPowerControl, Owner = !isConfigured };

    private void Tell(bool isEnabled)
    {
        _wasEnabled = isEnabled;
        owner.EnabledChanged(this, isEnabled);
    }

    // In a test mode the port sends patterns of its own.
    private void Pass()
    {
        if (Socket is { } socket)
            socket.Passes = !IsHeld && !IsGated && Value is { Connected: true, Enabled: true, Suspend: false, Reset: false, Owner: false, TestMode: 0 };
    }

    // Pulled up is D- at low speed, D+ otherwise.
    private LineState IdleLine(bool isConnected) => (isConnected, Device?.Speed) switch
    {
        (false, _) => LineState.SingleEndedZero,
        (_, UsbSpeed.Low) => LineState.KState,
        _ => LineState.JState,
    };
}
