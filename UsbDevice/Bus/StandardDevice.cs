using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A device that keeps to chapter 9: its descriptors answer the standard requests, its endpoints keep their toggles and halts.</summary>
/// <remarks>What a derived device adds is its class requests and the data of its endpoints.</remarks>
public abstract class StandardDevice : IUsbDevice
{
    /// <summary>What a handler returns to refuse a request with STALL.</summary>
    protected const int Refused = -1;

    private const ushort StatusSelfPowered = 1 << 0;
    private const ushort StatusRemoteWakeup = 1 << 1;
    private const ushort StatusHalted = 1 << 0;

    private DescriptorSet _descriptors;
    private readonly ControlPipe _control;
    private readonly ActiveConfiguration _active = new();
    private readonly SuperSpeedState _super = new();
    private readonly NotReadyEndpoints _notReady;
    private byte _address;

    /// <summary>A device with these descriptors.</summary>
    protected StandardDevice(UsbSpeed speed, DescriptorSet descriptors)
    {
        Speed = speed;
        _descriptors = descriptors;
        _notReady = new(WouldAnswer);
        _control = new(new Requests(this)) { MaxPacketSize = descriptors.MaxPacketSize0 };
    }

    /// <inheritdoc/>
    public UsbSpeed Speed { get; }

    /// <inheritdoc/>
    public byte Address
    {
        get => _address;
        private set
        {
            _address = value;
            Port?.RoutesChanged();
        }
    }

    /// <inheritdoc/>
    public virtual IReadOnlyList<UsbPort> Downstream => [];

    /// <summary>Where it is plugged in, or null.</summary>
    public UsbPort? Port { get; private set; }

    /// <summary>The value of the active configuration; 0 for none.</summary>
    public byte Configuration => _active.Value;

    /// <summary>Whether it talks at SuperSpeed where it is plugged in: on the wires of USB 2 it does not, however fast it could.</summary>
    public bool TalksSuperSpeed => Speed == UsbSpeed.Super && (Port?.Bus?.Speed ?? UsbSpeed.Super) == UsbSpeed.Super;

    /// <inheritdoc/>
    public (int U1, int U2) LinkExitUs => _descriptors.LinkExitUs;

    /// <summary>Whether it is suspended.</summary>
    public bool IsSuspended { get; private set; }

    /// <summary>Whether the host allowed it to signal wake-up.</summary>
    public bool MayWake { get; private set; }

    /// <summary>Whether the host let the device ask for the link states U1 and U2; SuperSpeed only.</summary>
    public (bool U1, bool U2) LinkStatesEnabled => (_super.U1Enabled, _super.U2Enabled);

    /// <summary>How long the way to the host takes to wake, as the host said; SuperSpeed only.</summary>
    public ExitLatencies ExitLatencies => _super.Latencies;

    /// <summary>How long a packet takes from the host to the device, in nanoseconds, as the host said; SuperSpeed only.</summary>
    public int IsochronousDelayNs => _super.IsochronousDelayNs;

    /// <inheritdoc/>
    public virtual void Connected(UsbPort? port)
    {
        Port = port;
        Reset();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        Address = 0;
        IsSuspended = MayWake = false;
        _control.Reset();
        _super.Reset();
        Configure(0);
        OnReset();
    }

    /// <inheritdoc/>
    public virtual void Suspend() => IsSuspended = true;

    /// <inheritdoc/>
    public virtual void Resume() => IsSuspended = false;

    /// <inheritdoc/>
    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        bool toggle = dataPid == UsbPid.Data1;
        if (token.Endpoint == 0)
            return token.Pid == UsbPid.Setup ? _control.Setup(data) : _control.Out(toggle, data);
        if (token.Pid == UsbPid.Setup || Find(token.Endpoint, isIn: false) is not { } endpoint || data.Length > endpoint.MaxPacketSize)
            return UsbReply.Silence;
        endpoint.Stream = token.Stream;
        if (endpoint.TransferType == TransferType.Isochronous)
        {
            _ = OnOut(endpoint, data);
            return UsbReply.Silence;
        }

        if (endpoint.IsHalted)
            return UsbReply.Stall;

        // The host did not hear the ACK of the packet before and sent it again: acknowledge, and drop it.
        if (toggle != endpoint.Toggle)
            return UsbReply.Ack;
        UsbReply reply = OnOut(endpoint, data);
        if (reply.Pid is UsbPid.Ack or UsbPid.Nyet)
            endpoint.Toggle = !endpoint.Toggle;
        return Answered(endpoint, reply);
    }

    /// <inheritdoc/>
    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        if (token.Endpoint == 0)
            return _control.In(packet);
        if (Find(token.Endpoint, isIn: true) is not { } endpoint)
            return UsbReply.Silence;
        endpoint.Stream = token.Stream;
        return Answered(endpoint, endpoint.IsHalted ? UsbReply.Stall : OnIn(endpoint, packet));
    }

    /// <inheritdoc/>
    public void Acknowledge(in UsbToken token)
    {
        if (token.Endpoint == 0)
        {
            _control.Acknowledge();
        }
        else if (Find(token.Endpoint, isIn: true) is { } endpoint)
        {
            endpoint.Stream = token.Stream;
            endpoint.Toggle = !endpoint.Toggle;
            OnAcknowledged(endpoint);
            TellReady();
        }
    }

    /// <inheritdoc/>
    public UsbReply Ping(in UsbToken token)
    {
        if (token.Endpoint == 0)
            return _control.Ping();
        if (Find(token.Endpoint, isIn: false) is not { } endpoint)
            return UsbReply.Silence;
        if (endpoint.IsHalted)
            return UsbReply.Stall;
        return IsReadyFor(endpoint) ? UsbReply.Ack : UsbReply.Nak;
    }

    /// <summary>Data came for an endpoint.</summary>
    /// <returns>ACK, NYET, NAK or STALL; NAK and STALL mean that nothing was taken.</returns>
    protected abstract UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data);

    /// <summary>The host asks an endpoint for data. It may ask again for the same, until <see cref="OnAcknowledged"/>.</summary>
    /// <remarks>Nobody acknowledges what an isochronous endpoint sends: it is gone, whether it arrives or not.</remarks>
    /// <returns>Data with the toggle of the endpoint, NAK or STALL.</returns>
    protected abstract UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet);

    /// <summary>The data that an endpoint sent last arrived.</summary>
    protected virtual void OnAcknowledged(DeviceEndpoint endpoint)
    {
    }

    /// <summary>Whether an endpoint could take a full packet now.</summary>
    protected virtual bool IsReadyFor(DeviceEndpoint endpoint) => true;

    /// <summary>A request that chapter 9 does not define, with its data where the data goes to the device.</summary>
    /// <returns>Bytes of the answer, or <see cref="Refused"/>.</returns>
    protected virtual int OnRequest(in SetupPacket setup, Span<byte> data) => Refused;

    /// <summary>The device was reset, or plugged in or out.</summary>
    protected virtual void OnReset()
    {
    }

    /// <summary>Another configuration is active, or none.</summary>
    protected virtual void OnConfigured()
    {
    }

    /// <summary>An alternate setting was chosen, maybe the same again: its endpoints begin anew.</summary>
    /// <param name="number">The interface.</param>
    protected virtual void OnInterfaceSet(int number)
    {
    }

    /// <summary>Whether the host may clear the halt of an endpoint now; where not, the request passes and the halt stays.</summary>
    protected virtual bool MayClearHalt(DeviceEndpoint endpoint) => true;

    /// <summary>The endpoint of a number and direction in the active configuration, or null.</summary>
    /// <param name="number">1 to 15.</param>
    /// <param name="isIn">Whether it sends to the host.</param>
    protected DeviceEndpoint? Find(int number, bool isIn) => _active.Find(number, isIn);

    /// <summary>Wakes the host where the device is suspended and was allowed to.</summary>
    protected void Wake()
    {
        if (IsSuspended && (MayWake || _super.MayFunctionWake))
            Port?.SignalWake();
    }

    /// <summary>Says ERDY for each endpoint that told the host NRDY and would not now; to be called when that may have changed by itself.</summary>
    protected void TellReady()
    {
        while (_notReady.Count != 0 && _notReady.TryTake(out DeviceEndpoint endpoint))
        {
            UsbPid pid = endpoint.IsIn ? UsbPid.In : UsbPid.Out;
            Port?.SignalReady(new(pid, Address, (byte)endpoint.Descriptor.Number) { Stream = endpoint.Stream });
        }
    }

    /// <summary>The alternate setting of an interface that is in use.</summary>
    /// <param name="number">The interface, 0 to 255.</param>
    protected byte AlternateOf(int number) => _active.AlternateOf(number);

    /// <summary>The device describes itself otherwise from now on: it talks at another speed.</summary>
    protected void UseDescriptors(DescriptorSet descriptors)
    {
        _descriptors = descriptors;
        _control.MaxPacketSize = descriptors.MaxPacketSize0;
    }

    /// <summary>Halts an endpoint: it answers STALL until the host clears it.</summary>
    protected static void Halt(DeviceEndpoint endpoint) => endpoint.IsHalted = true;

    private UsbReply Answered(DeviceEndpoint endpoint, UsbReply reply)
    {
        bool isTold = reply.Pid == UsbPid.Nak && TalksSuperSpeed;
        ushort stream = endpoint.Stream;
        TellReady();
        if (isTold)
        {
            endpoint.Stream = stream;
            _notReady.Add(endpoint);
        }

        return reply;
    }

    private bool WouldAnswer(DeviceEndpoint endpoint, byte[] packet) =>
        endpoint.IsHalted || (endpoint.IsIn ? OnIn(endpoint, packet).Pid != UsbPid.Nak : IsReadyFor(endpoint));

    // Data in the wrong direction makes a request another one, which nobody defined.
    private int Standard(in SetupPacket setup, Span<byte> data) => setup.Length != 0 && setup.In != IsQuestion(setup) ? Refused : (StandardRequest)setup.Request switch
    {
        StandardRequest.GetStatus => GetStatus(setup, data),
        StandardRequest.ClearFeature => Feature(setup, set: false),
        StandardRequest.SetFeature => Feature(setup, set: true),
        StandardRequest.SetAddress => setup.Value < UsbBus.AddressCount && setup.Recipient == RequestRecipient.Device ? 0 : Refused,
        StandardRequest.GetDescriptor => GetDescriptor(setup, data),
        StandardRequest.GetConfiguration => Answer([Configuration], data),
        StandardRequest.SetConfiguration => SetConfiguration(setup.Value),
        StandardRequest.GetInterface => _active.HasInterface(setup.Index, 0) ? Answer([_active.AlternateOf(setup.Index)], data) : Refused,
        StandardRequest.SetInterface => SetInterface(setup),
        StandardRequest.SetExitLatencies or StandardRequest.SetIsochronousDelay when TalksSuperSpeed => SetDelays(setup, data),
        _ => Refused,
    };

    private static bool IsQuestion(in SetupPacket setup) => (StandardRequest)setup.Request
        is StandardRequest.GetStatus or StandardRequest.GetDescriptor or StandardRequest.GetConfiguration
        or StandardRequest.GetInterface or StandardRequest.SynchFrame;

    private int GetDescriptor(in SetupPacket setup, Span<byte> data)
    {
        if (setup.Recipient != RequestRecipient.Device)
            return OnRequest(setup, data);
        ReadOnlySpan<byte> descriptor = _descriptors.Find((DescriptorType)(setup.Value >> 8), setup.Value & 0xFF);
        return descriptor.IsEmpty ? Refused : Answer(descriptor, data);
    }

    private int GetStatus(in SetupPacket setup, Span<byte> data)
    {
        switch (setup.Recipient)
        {
            case RequestRecipient.Device:
                ConfigurationDescriptor current = Packed.Read<ConfigurationDescriptor>(
                    Configuration == 0 ? _descriptors.Find(DescriptorType.Configuration, 0) : _descriptors.FindConfiguration(Configuration).Span);
                int status = (current.SelfPowered ? StatusSelfPowered : 0) | (MayWake ? StatusRemoteWakeup : 0) | _super.DeviceStatus;
                return Answer([(byte)status, 0], data);
            case RequestRecipient.Interface when _active.HasInterface(setup.Index, 0):
                return Answer([TalksSuperSpeed ? _super.FunctionStatus(_descriptors.CanWake) : (byte)0, 0], data);
            case RequestRecipient.Endpoint when (setup.Index & 0x7F) == 0:
                return Answer([0, 0], data);
            case RequestRecipient.Endpoint when _active.FindAddress(setup.Index) is { } endpoint:
                return Answer([(byte)(endpoint.IsHalted ? StatusHalted : 0), 0], data);
            default:
                return Refused;
        }
    }

    private int Feature(in SetupPacket setup, bool set)
    {
        switch ((FeatureSelector)setup.Value)
        {
            case FeatureSelector.DeviceRemoteWakeup when setup.Recipient == RequestRecipient.Device && !TalksSuperSpeed && _descriptors.CanWake:
                MayWake = set;
                return 0;
            case FeatureSelector.U1Enable or FeatureSelector.U2Enable when setup.Recipient == RequestRecipient.Device && TalksSuperSpeed && Configuration != 0:
                _super.EnableLinkState(isU1: (FeatureSelector)setup.Value == FeatureSelector.U1Enable, set);
                return 0;
            case FeatureSelector.EndpointHalt when setup.Recipient == RequestRecipient.Interface && set && TalksSuperSpeed && _active.HasInterface(setup.Index & 0xFF, 0):
                // For an interface the same number means FUNCTION_SUSPEND.
                _super.SuspendFunction(setup, _descriptors.CanWake);
                return 0;
            case FeatureSelector.EndpointHalt when setup.Recipient == RequestRecipient.Endpoint && (setup.Index & 0x7F) == 0:
                // Endpoint 0 needs no halt: the next SETUP clears it.
                return 0;
            case FeatureSelector.EndpointHalt when setup.Recipient == RequestRecipient.Endpoint && _active.FindAddress(setup.Index) is { } endpoint:
                endpoint.IsHalted = set || (endpoint.IsHalted && !MayClearHalt(endpoint));
                if (!set)
                    endpoint.Toggle = false;
                return 0;
            default:
                return Refused;
        }
    }

    private int SetConfiguration(int value)
    {
        if (Address == 0 || (value != 0 && _descriptors.FindConfiguration(value).IsEmpty))
            return Refused;
        Configure((byte)value);
        return 0;
    }

    private int SetInterface(in SetupPacket setup)
    {
        if (setup.Value > byte.MaxValue || !_active.HasInterface(setup.Index, setup.Value))
            return Refused;
        _notReady.Clear();
        _active.ChooseAlternate(setup.Index, (byte)setup.Value);
        OnInterfaceSet(setup.Index);
        return 0;
    }

    private int SetDelays(in SetupPacket setup, ReadOnlySpan<byte> data)
    {
        if ((StandardRequest)setup.Request == StandardRequest.SetIsochronousDelay && setup.Length == 0)
            _super.SetIsochronousDelay(setup.Value);
        else if ((StandardRequest)setup.Request == StandardRequest.SetExitLatencies && data.Length == ExitLatencies.Size)
            _super.SetLatencies(data);
        else
            return Refused;
        return 0;
    }

    private void Configure(byte value)
    {
        _notReady.Clear();
        _active.Choose(value, _descriptors.FindConfiguration(value));
        OnConfigured();
    }

    /// <summary>Puts an answer into a data stage, as far as there is room.</summary>
    /// <returns>How many bytes there was room for.</returns>
    protected static int Answer(ReadOnlySpan<byte> answer, Span<byte> data)
    {
        int length = Math.Min(answer.Length, data.Length);
        answer[..length].CopyTo(data);
        return length;
    }

    private sealed class Requests(StandardDevice device) : IControlRequests
    {
        public int Request(in SetupPacket setup, Span<byte> data) => setup.Type == RequestType.Standard
            ? device.Standard(setup, data)
            : device.OnRequest(setup, data);

        public void RequestDone(in SetupPacket setup)
        {
            // The address changes only now: the status stage still went to the old one.
            if (setup.Type == RequestType.Standard && (StandardRequest)setup.Request == StandardRequest.SetAddress)
                device.Address = (byte)setup.Value;
        }
    }
}
