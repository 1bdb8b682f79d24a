using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A root port of USB 3: its link trains by itself (xHCI, USB 3 root hub port state machine).</summary>
/// <remarks>A device that cannot talk at SuperSpeed does not exist here: it would be seen at the USB 2 port of the same socket.</remarks>
internal sealed class Usb3RootPort(XhciRegisters registers, IRootPortEvents events, int index, FrameClock frames)
    : RootPort(registers, events, index, UsbSpeed.Super, frames)
{
    private const ulong TrainingNs = 1_000_000;
    private const ulong HotResetNs = 100_000;
    private const ulong WarmResetNs = 100_000_000;
    private const ulong RecoveryNs = 10_000;

    private readonly LinkPower _power = new();
    private LinkTask _task;

    private enum LinkTask
    {
        None,
        Train,
        HotReset,
        WarmReset,
        Recover,
    }

    /// <inheritdoc/>
    public override void Tick(ulong nowNs)
    {
        LinkTask task = _task;
        Plan(LinkTask.None, Never);
        bool isThere = Socket.Device is not null;
        switch (task)
        {
            case LinkTask.Train when isThere:
                Reach(resetsDevice: true, Value with { ConnectChange = Value.ConnectChange || !Value.Connected, Connected = true, Speed = PortSpeed.Super });
                break;
            case LinkTask.HotReset when isThere:
                Reach(resetsDevice: true, Value with { Reset = false, ResetChange = true });
                break;
            case LinkTask.WarmReset when isThere:
                Reach(resetsDevice: true, Value with { Reset = false, ResetChange = true, WarmResetChange = true });
                break;
            case LinkTask.Recover when isThere:
                Reach(resetsDevice: false, Value with { LinkStateChange = true });
                Socket.Device?.Resume();
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    public override void FailLink()
    {
        if (!Value.Connected)
            return;
        Plan(LinkTask.None, Never);
        Value = Value with { Enabled = false, Reset = false, LinkState = PortLinkState.Inactive, LinkStateChange = true };
    }

    /// <inheritdoc/>
    public override uint WakeLink(ulong nowNs)
    {
        Sync(nowNs);
        PortLinkState state = Value.LinkState;
        if (state is not (PortLinkState.U0 or PortLinkState.U1 or PortLinkState.U2))
            return 0;
        uint exitNs = _power.Wake(state, new(new((uint)Registers.File[XhciCapabilityOffsets.StructuralParameters3])), Socket.Device?.LinkExitUs ?? default, nowNs);
        if (state != PortLinkState.U0)
            Value = Value with { LinkState = PortLinkState.U0 };
        return exitNs;
    }

    /// <inheritdoc/>
    public override void UseLink(ulong untilNs) => _power.Use(untilNs);

    /// <inheritdoc/>
    public override void Sync(ulong nowNs)
    {
        if (Value is not { Enabled: true, LinkState: PortLinkState.U0 or PortLinkState.U1 })
            return;
        Usb3PortPower timeouts = new(new(Power));
        PortLinkState state = _power.StateAt(Value.LinkState, timeouts, nowNs);
        if (state != Value.LinkState)
            Value = Value with { LinkState = state };
    }

    /// <inheritdoc/>
    protected override bool CarriesPackets(PortLinkState state) => state is PortLinkState.U0 or PortLinkState.U1 or PortLinkState.U2;

    /// <inheritdoc/>
    protected override void OnReset() => _task = LinkTask.None;

    /// <inheritdoc/>
    protected override void Connect(ulong nowNs)
    {
        bool isThere = Socket.Device is { Speed: >= UsbSpeed.Super } && Value.Power;
        if (isThere && !Value.Connected && Value.LinkState != PortLinkState.Disabled)
        {
            Plan(LinkTask.Train, nowNs + TrainingNs);
            Value = Value with { LinkState = PortLinkState.Polling };
        }
        else if (!isThere)
        {
            Plan(LinkTask.None, Never);
            bool keepsState = !Value.Power || (Value.LinkState == PortLinkState.Disabled && !Value.Connected);
            Value = Value with
            {
                Connected = false,
                ConnectChange = Value.ConnectChange || Value.Connected,
                Enabled = false,
                Reset = false,
                LinkState = keepsState ? PortLinkState.Disabled : PortLinkState.RxDetect,
                Speed = PortSpeed.None,
            };
        }
    }

    /// <inheritdoc/>
    protected override void Disable()
    {
        Plan(LinkTask.None, Never);
        Value = Value with { Enabled = false, Connected = false, Reset = false, LinkState = PortLinkState.Disabled, Speed = PortSpeed.None };
    }

    /// <inheritdoc/>
    protected override void BeginReset(bool isWarm, ulong nowNs)
    {
        // A link that failed hears nothing less than a warm reset.
        bool needsWarm = isWarm || Value.LinkState == PortLinkState.Inactive;
        if (needsWarm)
            Plan(LinkTask.WarmReset, nowNs + WarmResetNs);
        else
            Plan(LinkTask.HotReset, nowNs + HotResetNs);
        Value = Value with { Reset = true, Enabled = false, LinkState = needsWarm ? PortLinkState.RxDetect : PortLinkState.HotReset };
    }

    /// <inheritdoc/>
    protected override void WriteLinkState(PortLinkState state, ulong nowNs)
    {
        XhciPortStatusControl value = Value;
        switch (state)
        {
            case PortLinkState.U3 when value is { Enabled: true, LinkState: PortLinkState.U0 or PortLinkState.U1 or PortLinkState.U2 }:
                Value = value with { LinkState = PortLinkState.U3, LinkStateChange = value.LinkStateChange || Registers.TellsOfU3 };
                Socket.Device?.Suspend();
                break;
            case PortLinkState.U0 when value is { Enabled: true, LinkState: PortLinkState.U3 }:
                Recover(nowNs);
                break;
            case PortLinkState.U0 or PortLinkState.U1 or PortLinkState.U2
                when value is { Enabled: true, LinkState: PortLinkState.U0 or PortLinkState.U1 or PortLinkState.U2 }:
                Value = value with { LinkState = state };
                break;
            case PortLinkState.RxDetect when value.LinkState == PortLinkState.Disabled:
                Value = value with { LinkState = PortLinkState.RxDetect };
                Connect(nowNs);
                break;
            case PortLinkState.Disabled:
                Disable();
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    protected override void Wake(ulong nowNs)
    {
        if (Value is { Enabled: true, LinkState: PortLinkState.U3 })
            Value = Value with { LinkState = PortLinkState.Resume, LinkStateChange = true };
        if (Value is { Enabled: true, LinkState: PortLinkState.Resume })
            Plan(LinkTask.Recover, nowNs + RecoveryNs);
    }

    private void Recover(ulong nowNs)
    {
        Value = Value with { LinkState = PortLinkState.Recovery };
        Plan(LinkTask.Recover, nowNs + RecoveryNs);
    }

    private void Reach(bool resetsDevice, XhciPortStatusControl value)
    {
        if (resetsDevice)
        {
            Socket.Speed = UsbSpeed.Super;
            Socket.Device!.Reset();
        }

        _power.Start(NowNs());
        Value = value with { Enabled = true, LinkState = PortLinkState.U0 };
    }

    private void Plan(LinkTask task, ulong dueNs) => (_task, DueNs) = (task, dueNs);
}
