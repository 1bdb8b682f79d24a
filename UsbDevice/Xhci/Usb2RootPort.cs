using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A root port of USB 2: high, full and low speed; a reset enables it (xHCI, USB 2 root hub port state machine).</summary>
internal sealed class Usb2RootPort(XhciRegisters registers, IRootPortEvents events, int index, FrameClock frames)
    : RootPort(registers, events, index, UsbSpeed.High, frames)
{
    // The controller itself times a reset of a root port (USB 2.0, reset signaling), and how long links take to wake.
    private const ulong ResetNs = 50_000_000;
    private const ulong ResumeEndNs = 1_000_000;
    private const ulong SleepExitNs = 100_000;

    private PortLinkState _goal;

    /// <inheritdoc/>
    public override void Tick(ulong nowNs)
    {
        DueNs = Never;
        if (Value.Reset)
        {
            EndReset();
            return;
        }

        // Resume from U3 or from L1 is over.
        if (_goal != PortLinkState.U0 || !Value.Enabled)
            return;
        Value = Value with { LinkState = PortLinkState.U0, LinkStateChange = true };
        Socket.Device?.Resume();
    }

    /// <inheritdoc/>
    public override void FailLink() =>
        Value = Value with { Enabled = false, EnableChange = Value.EnableChange || Value.Enabled, LinkState = Value.Connected ? PortLinkState.Polling : Value.LinkState };

    /// <inheritdoc/>
    protected override bool CarriesPackets(PortLinkState state) => state == PortLinkState.U0;

    /// <inheritdoc/>
    protected override void OnReset() => _goal = PortLinkState.Disabled;

    /// <inheritdoc/>
    protected override void Connect(ulong nowNs)
    {
        bool isConnected = Socket.Device is not null && Value.Power;
        if (isConnected == Value.Connected)
            return;
        DueNs = Never;
        Value = Value with
        {
            Connected = isConnected,
            ConnectChange = true,
            Enabled = false,
            Reset = false,
            LinkState = isConnected ? PortLinkState.Polling : Value.Power ? PortLinkState.RxDetect : PortLinkState.Disabled,

            // Until the reset only the pull-ups are seen: high speed looks like full speed.
            Speed = !isConnected ? PortSpeed.None : Socket.Device?.Speed == UsbSpeed.Low ? PortSpeed.Low : PortSpeed.Full,
        };
    }

    /// <inheritdoc/>
    protected override void Disable()
    {
        DueNs = Never;
        Value = Value with { Enabled = false, LinkState = PortLinkState.Disabled };
    }

    /// <inheritdoc/>
    protected override void BeginReset(bool isWarm, ulong nowNs)
    {
        // A warm reset is for USB 3.
        if (isWarm)
            return;
        DueNs = nowNs + ResetNs;
        Value = Value with { Reset = true, Enabled = false, LinkState = PortLinkState.Polling };
    }

    /// <inheritdoc/>
    protected override void WriteLinkState(PortLinkState state, ulong nowNs)
    {
        XhciPortStatusControl value = Value;
        switch (state)
        {
            case PortLinkState.U3 when value is { Enabled: true, LinkState: PortLinkState.U0 or PortLinkState.U2 }:
                Value = value with { LinkState = PortLinkState.U3, LinkStateChange = value.LinkStateChange || Registers.TellsOfU3 };
                Socket.Device?.Suspend();
                break;
            case PortLinkState.Resume when value is { Enabled: true, LinkState: PortLinkState.U3 }:
                Value = value with { LinkState = PortLinkState.Resume };
                break;
            case PortLinkState.U0 when value is { Enabled: true, LinkState: PortLinkState.Resume }:
                (_goal, DueNs) = (PortLinkState.U0, nowNs + ResumeEndNs);
                break;
            case PortLinkState.U0 when value is { Enabled: true, LinkState: PortLinkState.U2 }:
                (_goal, DueNs) = (PortLinkState.U0, nowNs + SleepExitNs);
                break;
            case PortLinkState.U2 when value is { Enabled: true, LinkState: PortLinkState.U0 }:
                Sleep();
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
        else if (Value is { Enabled: true, LinkState: PortLinkState.U2 })
            (_goal, DueNs) = (PortLinkState.U0, nowNs + SleepExitNs);
    }

    private void EndReset()
    {
        bool isThere = Value.Connected && Socket.Device is not null;
        if (isThere)
        {
            // What is faster than this port talks at high speed here.
            UsbSpeed fastest = Socket.Device!.Speed;
            Socket.Speed = fastest > UsbSpeed.High ? UsbSpeed.High : fastest;
            Socket.Device.Reset();
        }

        Value = Value with
        {
            Reset = false,
            ResetChange = true,
            Enabled = isThere,
            LinkState = isThere ? PortLinkState.U0 : PortLinkState.RxDetect,
            Speed = !isThere ? PortSpeed.None : SpeedOf(Socket.Speed),
        };
    }

    // The token for L1, and what the device answers.
    private void Sleep()
    {
        bool? accepts = Socket.Device?.AcceptsL1;
        Usb2PortPower power = new(new(Power));
        Usb2L1Status status = (Socket.Device, accepts) switch
        {
            (null, _) => Usb2L1Status.Error,
            (_, null) => Usb2L1Status.NotSupported,
            (_, false) => Usb2L1Status.NotYet,
            _ => Usb2L1Status.Success,
        };
        Power = (power with { L1Status = status }).Raw.Value;
        if (status == Usb2L1Status.Success)
            Value = Value with { LinkState = PortLinkState.U2 };
        else
            Value = Value with { LinkStateChange = true };
    }

    private static PortSpeed SpeedOf(UsbSpeed speed) => speed switch
    {
        UsbSpeed.Low => PortSpeed.Low,
        UsbSpeed.Full => PortSpeed.Full,
        _ => PortSpeed.High,
    };
}
