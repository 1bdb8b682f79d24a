using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One root port: PORTSC as a state machine, and the bus that begins there (xHCI, root hub port state machines).</summary>
/// <remarks>
/// Each port has a bus of its own, so that devices at different ports may answer to the same address. A port whose gate is closed looks as
/// one with nothing plugged in: what becomes of it then is behind the gate, where the driver of the registers does not see it.
/// </remarks>
internal abstract class RootPort : IPortOwner
{
    /// <summary>When nothing is due.</summary>
    public const ulong Never = ulong.MaxValue;

    /// <summary>The bits of PORTSC that tell of changes.</summary>
    public static readonly XhciPortStatusControl Changes = new()
    {
        ConnectChange = true,
        EnableChange = true,
        WarmResetChange = true,
        OverCurrentChange = true,
        ResetChange = true,
        LinkStateChange = true,
        ConfigureErrorChange = true,
    };

    // ERDY packets that wait; a device repeats none, and has no more than this many endpoints and streams that software uses at once.
    private const int ReadyMax = 1024;

    private readonly IRootPortEvents _events;
    private readonly RegisterRule _statusRule;
    private readonly RegisterRule _powerRule;
    private readonly List<UsbToken> _ready = [];

    // PORTSC and PORTPMSC while the gate is closed: what the registers show is an empty port.
    private XhciPortStatusControl _statusBehindGate;
    private uint _powerBehindGate;

    /// <summary>A port with nothing in it.</summary>
    /// <param name="registers">Where PORTSC is.</param>
    /// <param name="events">Whom it tells.</param>
    /// <param name="index">From 0 on.</param>
    /// <param name="speed">The speed of its bus.</param>
    /// <param name="frames">The frames of the controller.</param>
    protected RootPort(XhciRegisters registers, IRootPortEvents events, int index, UsbSpeed speed, FrameClock frames)
    {
        (Registers, _events, Index) = (registers, events, index);
        Socket = new(this, index + 1);
        Bus = new(speed, [Socket]) { Frames = frames };
        Socket.Bus = Bus;
        int at = XhciRegisters.PortAt(index);
        (_statusRule, _powerRule) = (registers.RuleAt(at + XhciOperationalOffsets.PortStatus), registers.RuleAt(at + XhciOperationalOffsets.PortPower));
    }

    /// <summary>The socket.</summary>
    public UsbPort Socket { get; }

    /// <summary>The bus that begins here.</summary>
    public UsbBus Bus { get; }

    /// <summary>From 0 on.</summary>
    public int Index { get; }

    /// <summary>When the port wants <see cref="Tick"/> to be called.</summary>
    public ulong DueNs { get; protected set; } = Never;

    /// <summary>Whether a change is waiting for software.</summary>
    public bool HasChange => (Value.Raw.Value & Changes.Raw.Value) != 0;

    /// <summary>Whether its gate is closed: the device hears no packets, keeps its state, and is not shown.</summary>
    public bool IsGated { get; private set; }

    /// <summary>Whether a change came that nobody was told of: behind a closed gate, or while the controller was halted.</summary>
    public bool HasUntoldChange { get => field && HasChange; set; }

    /// <summary>What was said to be ready while nobody could hear it.</summary>
    public IReadOnlyList<UsbToken> Ready => _ready;

    /// <summary>Whether the link carries packets now or could at once.</summary>
    public bool IsInU0 => !IsGated && Value is { Connected: true, LinkState: PortLinkState.U0 };

    /// <summary>The registers of the controller.</summary>
    protected XhciRegisters Registers { get; }

    /// <summary>PORTSC; a change that rises is told of.</summary>
    protected XhciPortStatusControl Value
    {
        get => IsGated ? _statusBehindGate : Registers[Index];
        set
        {
            bool isNews = !HasChange;
            Store(value);
            Pass();
            if (!isNews || !HasChange)
                return;
            HasUntoldChange = true;
            if (!IsGated)
                _events.StatusChanged(Index);
        }
    }

    /// <summary>PORTPMSC, with the gate open or closed.</summary>
    protected uint Power
    {
        get => IsGated ? _powerBehindGate : (uint)Registers.File[PowerAt];
        set
        {
            if (IsGated)
                _powerBehindGate = value;
            else
                Registers.File[PowerAt] = value;
        }
    }

    private int PowerAt => XhciRegisters.PortAt(Index) + XhciOperationalOffsets.PortPower;

    /// <summary>Closes the gate, or opens it.</summary>
    /// <param name="isClosed">Whether it shall be closed.</param>
    public void SetGate(bool isClosed)
    {
        if (isClosed == IsGated)
            return;
        (XhciPortStatusControl status, uint power) = (Value, Power);
        IsGated = isClosed;
        Store(status);
        Power = power;
        Pass();
        if (isClosed)
            ShowEmpty();
        else if (HasUntoldChange && HasChange)
            _events.StatusChanged(Index);
    }

    /// <summary>What the registers show of a port whose gate is closed, whatever was written there.</summary>
    public void ShowEmpty()
    {
        Registers[Index] = new(new((uint)_statusRule.Reset));
        Registers.File[PowerAt] = _powerRule.Reset;
    }

    /// <summary>A register of the port, with the gate open or closed.</summary>
    /// <param name="register">From PORTSC on.</param>
    public uint Read(int register) => register switch
    {
        XhciOperationalOffsets.PortStatus => Value.Raw.Value,
        XhciOperationalOffsets.PortPower => Power,
        _ => 0,
    };

    /// <summary>A register of the port is written, with the gate open or closed.</summary>
    /// <param name="register">From PORTSC on.</param>
    /// <param name="written">What is written.</param>
    public void Write(int register, uint written)
    {
        if (register == XhciOperationalOffsets.PortPower)
            Power = (uint)_powerRule.Write(Power, written, uint.MaxValue);
        if (register != XhciOperationalOffsets.PortStatus)
            return;
        ulong before = Value.Raw.Value;
        ulong after = _statusRule.Write(before, written, uint.MaxValue);
        Store(new(new((uint)after)));
        Act(new(XhciRegisters.PortAt(Index), before, after, written, uint.MaxValue), NowNs());
    }

    /// <summary>PORTSC and PORTPMSC get their reset values, with the gate open or closed.</summary>
    public void ResetAlone()
    {
        HasUntoldChange = false;
        Store(new(new((uint)_statusRule.Reset)));
        Power = (uint)_powerRule.Reset;
        Start(NowNs());
    }

    /// <summary>A device said ERDY while nobody could hear it.</summary>
    public void KeepReady(in UsbToken endpoint)
    {
        if (!_ready.Contains(endpoint) && _ready.Count < ReadyMax)
            _ready.Add(endpoint);
    }

    /// <summary>What was kept was heard.</summary>
    public void ForgetReady() => _ready.Clear();

    /// <summary>The registers are at their reset values: the port starts again from there, unless its gate keeps it out of that.</summary>
    public void Reset(ulong nowNs)
    {
        if (!IsGated)
            Start(nowNs);
    }

    /// <summary>Software wrote a register of the port; the table has already done what masks alone can tell.</summary>
    public void Written(in RegisterWrite write, ulong nowNs)
    {
        if (IsGated)
            ShowEmpty();
        else if (write.Offset == XhciRegisters.PortAt(Index) + XhciOperationalOffsets.PortStatus)
            Act(write, nowNs);
    }

    private void Start(ulong nowNs)
    {
        DueNs = Never;
        Socket.Passes = false;
        ForgetReady();
        OnReset();
        Connect(nowNs);
    }

    // What software asks for by PORTSC.
    private void Act(in RegisterWrite write, ulong nowNs)
    {
        XhciPortStatusControl asked = new(new((uint)write.Written));
        if (new XhciPortStatusControl(new((uint)write.Before)).Power != Value.Power)
        {
            PowerChanged(nowNs);
            return;
        }

        if (asked.Enabled && Value.Enabled)
            Disable();
        if (Value is { Power: true, Connected: true, Reset: false } && (asked.Reset || asked.WarmReset))
            BeginReset(asked.WarmReset, nowNs);
        else if (asked.LinkStateStrobe && Value is { Power: true, Reset: false })
            WriteLinkState(asked.LinkState, nowNs);
    }

    /// <summary>The current through the port became too much, or is well again.</summary>
    public void SetOverCurrent(bool isOver, ulong nowNs)
    {
        XhciPortStatusControl value = Value;
        if (value.OverCurrent == isOver)
            return;
        bool losesPower = isOver && new XhciCapabilityParameters1(new((uint)Registers.File[XhciCapabilityOffsets.CapabilityParameters1])).PortPowerControl;
        Value = value with { OverCurrent = isOver, OverCurrentChange = true, Power = value.Power && !losesPower };
        if (Value.Power != value.Power)
            PowerChanged(nowNs);
    }

    /// <summary>Time has come to <see cref="DueNs"/>.</summary>
    public abstract void Tick(ulong nowNs);

    /// <inheritdoc/>
    public void PortChanged(UsbPort port)
    {
        Connect(NowNs());
        _events.PortActed();
    }

    /// <inheritdoc/>
    public void WakeSignalled(UsbPort port)
    {
        Wake(NowNs());
        _events.PortActed();
    }

    /// <inheritdoc/>
    public void Babbled(UsbPort port)
    {
        if (Value.Enabled)
            FailLink();
        _events.PortActed();
    }

    /// <inheritdoc/>
    public void EndpointReady(UsbPort port, in UsbToken endpoint) => _events.EndpointReady(this, endpoint);

    /// <summary>Packets are due: a link that sleeps wakes.</summary>
    /// <returns>Nanoseconds until it carries them; 0 where it does now.</returns>
    public virtual uint WakeLink(ulong nowNs) => 0;

    /// <summary>Packets are on the link until some time.</summary>
    public virtual void UseLink(ulong untilNs)
    {
    }

    /// <summary>Brings what follows from time alone into PORTSC.</summary>
    public virtual void Sync(ulong nowNs)
    {
    }

    /// <summary>The time.</summary>
    public Func<ulong> NowNs { get; init; } = static () => 0;

    /// <summary>The link failed for good.</summary>
    public abstract void FailLink();

    /// <summary>Whether packets pass in a link state.</summary>
    protected abstract bool CarriesPackets(PortLinkState state);

    /// <summary>Whatever was going on is over.</summary>
    protected abstract void OnReset();

    /// <summary>A device may have come or gone, or power.</summary>
    protected abstract void Connect(ulong nowNs);

    /// <summary>Software disables the port.</summary>
    protected abstract void Disable();

    /// <summary>Software begins a reset.</summary>
    protected abstract void BeginReset(bool isWarm, ulong nowNs);

    /// <summary>Software wants another link state.</summary>
    protected abstract void WriteLinkState(PortLinkState state, ulong nowNs);

    /// <summary>The device signals that it wants to wake the host.</summary>
    protected abstract void Wake(ulong nowNs);

    private void Store(XhciPortStatusControl value)
    {
        if (IsGated)
            _statusBehindGate = value;
        else
            Registers[Index] = value;
    }

    private void Pass() =>
        Socket.Passes = !IsGated && Value is { Connected: true, Enabled: true, Reset: false } value && CarriesPackets(value.LinkState);

    private void PowerChanged(ulong nowNs)
    {
        DueNs = Never;
        OnReset();
        if (!Value.Power)
            Value = Value with { LinkState = PortLinkState.Disabled, Enabled = false, Reset = false };
        else if (!Value.Connected)
            Value = Value with { LinkState = PortLinkState.RxDetect };
        Connect(nowNs);
    }
}
