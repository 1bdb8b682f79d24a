using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A hub of USB 2.0 or 1.1: a repeater for devices of its own speed, and a translator for slower ones (USB 2.0, hub specification).</summary>
/// <remarks>
/// At high speed, the ports of high-speed devices repeat the bus above; the others form buses of full speed that the
/// transaction translators drive. At full speed every port repeats the bus above. Hubs may hang on hubs.
/// </remarks>
public sealed class UsbHub : StandardDevice, IPortOwner, ITransactionTranslator
{
    private readonly UsbHubOptions _options;
    private readonly DescriptorSet _highSpeed;
    private readonly DescriptorSet _fullSpeed;
    private readonly byte[] _hubDescriptor;
    private readonly HubPort[] _ports;
    private readonly UsbPort[] _sockets;
    private readonly TransactionTranslator[] _translators;
    private HubStatus _status;

    /// <summary>A hub; plug it into a port, and devices into its own.</summary>
    /// <param name="loop">The time it lives in.</param>
    /// <param name="options">How it is built.</param>
    public UsbHub(EventLoop loop, UsbHubOptions? options = null)
        : this(loop, options ?? new(), HubDescriptors.Describe(options ?? new(), UsbSpeed.High), HubDescriptors.Describe(options ?? new(), UsbSpeed.Full))
    {
    }

    private UsbHub(EventLoop loop, UsbHubOptions options, DescriptorSet highSpeed, DescriptorSet fullSpeed)
        : base(options.Speed, options.Speed == UsbSpeed.High ? highSpeed : fullSpeed)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.PortCount - 1, 14u, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NonPeriodicBuffers, 2, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)options.ThinkTime, 3u, nameof(options));
        if (options.Speed is not (UsbSpeed.High or UsbSpeed.Full))
            throw new ArgumentException("A hub is of high or full speed.", nameof(options));
        (_options, _highSpeed, _fullSpeed) = (options, highSpeed, fullSpeed);
        if (options.Speed == UsbSpeed.High)
            DescriptorSet.Pair(highSpeed, fullSpeed);
        _hubDescriptor = HubDescriptors.Hub(options);
        _ports = [.. Enumerable.Range(1, options.PortCount).Select(number => new HubPort(loop, this, number, options))];
        _sockets = [.. _ports.Select(port => port.Socket)];
        _translators = [.. Enumerable.Range(0, options.Speed != UsbSpeed.High ? 0 : options.HasManyTranslators ? options.PortCount : 1)
            .Select(_ => new TransactionTranslator(loop, new(UsbSpeed.Full, _sockets), options))];
    }

    /// <summary>Its downstream ports; devices are plugged in there.</summary>
    public override IReadOnlyList<UsbPort> Downstream => _sockets;

    /// <summary>Whether it talks at high speed, where it is plugged in.</summary>
    public bool IsHighSpeed =>
        Speed == UsbSpeed.High && Port is not ({ Speed: UsbSpeed.Low or UsbSpeed.Full } or { Bus.Speed: UsbSpeed.Low or UsbSpeed.Full });

    private bool UsesManyTranslators => _options.HasManyTranslators && AlternateOf(0) == 1;

    /// <summary>The status of a port, as the host would read it.</summary>
    /// <param name="port">From 1 on.</param>
    public HubPortStatus StatusOf(int port) => _ports[port - 1].Status;

    /// <summary>The bus of the slower devices that the translator of a port drives, for those who listen to it.</summary>
    /// <param name="port">From 1 on.</param>
    /// <exception cref="InvalidOperationException">The hub is of full speed and has no translator.</exception>
    public UsbBus TranslatedBus(int port) => _translators.Length == 0
        ? throw new InvalidOperationException("A hub of full speed has no transaction translator.")
        : TranslatorFor(port).Bus;

    /// <summary>Lets too much current flow through a port, or ends that.</summary>
    /// <param name="port">From 1 on.</param>
    /// <param name="isOver">Whether it is too much.</param>
    public void SetOverCurrent(int port, bool isOver)
    {
        if (_ports[port - 1].SetOverCurrent(isOver))
            PortMayHaveChanged();
    }

    /// <summary>Takes the hub's own supply away, or gives it back.</summary>
    public void SetLocalPower(bool isLost)
    {
        _status = _status with { LocalPowerLost = isLost, LocalPowerChange = _status.LocalPowerChange || isLost != _status.LocalPowerLost };
        PortMayHaveChanged();
    }

    /// <inheritdoc/>
    public override void Suspend()
    {
        base.Suspend();
        foreach (HubPort port in _ports)
            port.SuspendBelow();
    }

    /// <inheritdoc/>
    public override void Resume()
    {
        base.Resume();
        foreach (HubPort port in _ports)
            port.ResumeBelow();
    }

    /// <inheritdoc/>
    public void PortChanged(UsbPort port)
    {
        if (_ports[port.Number - 1].Connect())
            PortMayHaveChanged();
    }

    /// <inheritdoc/>
    public void WakeSignalled(UsbPort port)
    {
        // Resume runs upstream to the first hub that is awake; that one answers it.
        HubPort mine = _ports[port.Number - 1];
        bool isMine = mine.BeginResume();
        if (IsSuspended && (isMine || mine.Status.Enabled))
            Port?.SignalWake();
    }

    /// <inheritdoc/>
    public void Babbled(UsbPort port)
    {
        _ports[port.Number - 1].Shut();
        PortMayHaveChanged();
    }

    /// <inheritdoc/>
    public UsbReply StartSplit(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data) =>
        Addressed(token)?.StartSplit(token, dataPid, data) ?? UsbReply.Silence;

    /// <inheritdoc/>
    public UsbReply CompleteSplit(in UsbToken token, Span<byte> packet) =>
        Addressed(token)?.CompleteSplit(token, packet) ?? UsbReply.Silence;

    /// <summary>Something may have changed that the host asked to be woken for.</summary>
    internal void PortMayHaveChanged()
    {
        if (IsSuspended && MayWake && HasChange())
            Port?.SignalWake();
    }

    /// <summary>The bus that a port repeats for a device of some speed.</summary>
    internal UsbBus? BusFor(int port, UsbSpeed speed) =>
        speed == UsbSpeed.High || !IsHighSpeed ? Port?.Bus : TranslatorFor(port).Bus;

    /// <inheritdoc/>
    protected override void OnReset()
    {
        UseDescriptors(IsHighSpeed ? _highSpeed : _fullSpeed);
        _status = default;
        foreach (TransactionTranslator translator in _translators)
        {
            translator.Reset();
            if (Port?.Bus is { } above)
                translator.Bus.Frames = above.Frames;
        }
    }

    /// <inheritdoc/>
    protected override void OnConfigured()
    {
        if (Configuration == 0)
        {
            foreach (HubPort port in _ports)
                port.TurnOff();
            return;
        }

        // Another setting: the slower ports move to other translators, which begin anew.
        foreach (TransactionTranslator translator in _translators)
            translator.Reset();
        foreach (UsbPort socket in _sockets)
        {
            if (socket.Passes)
                socket.Bus = BusFor(socket.Number, socket.Speed);
        }
    }

    /// <inheritdoc/>
    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data) => UsbReply.Stall;

    /// <inheritdoc/>
    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        // Bit 0 is the hub itself, each further bit a port.
        uint changes = _status is { LocalPowerChange: true } or { OverCurrentChange: true } ? 1u : 0;
        foreach (HubPort port in _ports)
            changes |= port.HasChange ? 1u << port.Socket.Number : 0;
        if (changes == 0)
            return UsbReply.Nak;
        int length = HubDescriptors.StatusBytes(_options);
        for (int index = 0; index < length; index++)
            packet[index] = (byte)(changes >> (8 * index));
        return UsbReply.Data(endpoint.Toggle, length);
    }

    /// <inheritdoc/>
    protected override int OnRequest(in SetupPacket setup, Span<byte> data)
    {
        if (setup.Type != RequestType.Class || !IsWellFormed(setup))
            return Refused;
        return setup.Recipient switch
        {
            RequestRecipient.Device => HubRequested(setup, data),
            RequestRecipient.Other when Configuration != 0 => PortRequested(setup, data),
            _ => Refused,
        };
    }

    // Data may go only the way that the request says.
    private static bool IsWellFormed(in SetupPacket setup)
    {
        bool isQuestion = (StandardRequest)setup.Request is StandardRequest.GetStatus or StandardRequest.GetDescriptor
            || (HubRequest)setup.Request == HubRequest.GetTtState;
        return isQuestion ? setup.In : setup.Length == 0;
    }

    private int HubRequested(in SetupPacket setup, Span<byte> data)
    {
        switch ((StandardRequest)setup.Request)
        {
            case StandardRequest.GetDescriptor when (DescriptorType)(setup.Value >> 8) is DescriptorType.Hub or 0:
                return Answer(_hubDescriptor, data);
            case StandardRequest.GetStatus when setup is { Value: 0, Index: 0 } && Configuration != 0:
                return Answer(Packed.ToArray(_status, HubStatus.Size), data);
            case StandardRequest.ClearFeature when (HubFeature)setup.Value == HubFeature.LocalPowerChange:
                _status = _status with { LocalPowerChange = false };
                return 0;
            case StandardRequest.ClearFeature when (HubFeature)setup.Value == HubFeature.OverCurrentChange:
                _status = _status with { OverCurrentChange = false };
                return 0;
            default:
                return Refused;
        }
    }

    private int PortRequested(in SetupPacket setup, Span<byte> data)
    {
        int number = setup.Index & 0xFF;
        if (number == 0 || number > _ports.Length)
            return Refused;
        HubPort port = _ports[number - 1];
        switch ((StandardRequest)setup.Request)
        {
            case StandardRequest.GetStatus when setup.Value == 0:
                return Answer(Packed.ToArray(port.Status, HubPortStatus.Size), data);
            case StandardRequest.ClearFeature:
                return port.Clear((PortFeature)setup.Value) ? 0 : Refused;
            case StandardRequest.SetFeature:
                return port.Set((PortFeature)setup.Value, (byte)(setup.Index >> 8)) ? 0 : Refused;
            default:
                return IsHighSpeed ? TranslatorRequested(TranslatorFor(number), setup, data) : Refused;
        }
    }

    private static int TranslatorRequested(TransactionTranslator translator, in SetupPacket setup, Span<byte> data)
    {
        switch ((HubRequest)setup.Request)
        {
            case HubRequest.ClearTtBuffer:
                translator.Clear(new(new(setup.Value)));
                return 0;
            case HubRequest.ResetTt:
                translator.Reset();
                return 0;
            case HubRequest.GetTtState:
                return Answer(translator.State(), data);
            case HubRequest.StopTt:
                translator.Stop();
                return 0;
            default:
                return Refused;
        }
    }

    private bool HasChange() =>
        _status is { LocalPowerChange: true } or { OverCurrentChange: true } || Array.Exists(_ports, static port => port.HasChange);

    private TransactionTranslator TranslatorFor(int port) => _translators[UsesManyTranslators ? port - 1 : 0];

    // Who is meant by a split: nobody, where the hub is slow itself, has no such port, or is not configured.
    private TransactionTranslator? Addressed(in UsbToken token) =>
        IsHighSpeed && Configuration != 0 && token.Split.Port != 0 && token.Split.Port <= _ports.Length ? TranslatorFor(token.Split.Port) : null;
}
