using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>A virtual USB device that stands for one of the host: what a guest's virtual controller says to it becomes transfers of the host's stack.</summary>
/// <remarks>
/// The guest's address for it, and its data toggles, are kept here; the host has its own. A packet that changes endpoints
/// changes them on the host first.
/// </remarks>
internal sealed class PassthroughUsbDevice : IDirectDevice
{
    private readonly PassthroughLink _link;
    private readonly PassthroughControl _control;
    private readonly Dictionary<byte, PassthroughPipe> _pipes = [];
    private readonly Dictionary<byte, IPassthroughStream> _streams = [];
    private UsbPort? _port;
    private byte _address;
    private bool _isUsed;

    /// <summary>A device that is not plugged in.</summary>
    /// <param name="device">The device of the host, just reset; not a SuperSpeed one.</param>
    /// <param name="vmm">Who is charged for copies.</param>
    /// <param name="direct">Who moves bulk data straight from and to memory of the VM; null where all is copied.</param>
    public PassthroughUsbDevice(IHostUsbDevice device, Processor vmm, UserLevelMonitor? direct = null)
    {
        _link = new(device, vmm, direct);
        _control = new(_link, device.PacketBytesOf(0))
        {
            Changed = EndpointsChanged,
            Addressed = address => Address = address,
        };
    }

    /// <summary>The device of the host.</summary>
    public IHostUsbDevice Device => _link.Device;

    /// <inheritdoc/>
    public UsbSpeed Speed => _link.Device.Speed;

    /// <inheritdoc/>
    public byte Address
    {
        get => _address;
        private set
        {
            _address = value;
            _port?.RoutesChanged();
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<UsbPort> Downstream => [];

    private ulong Microframe => _port?.Bus?.Frames.Count(_link.Loop.NowNs) ?? 0;

    /// <inheritdoc/>
    public void Connected(UsbPort? port)
    {
        _port = port;
        Address = 0;
        Forget();
    }

    /// <summary>Waits until nothing of it is under way to the host any more; it is pulled out.</summary>
    public async ValueTask WaitUntilIdle()
    {
        const ulong StepNs = 1_000_000;
        while (_link.Users != 0)
            await _link.Loop.Delay(StepNs);
    }

    /// <inheritdoc/>
    public void Reset()
    {
        Address = 0;
        Forget();
        _control.Reset(_isUsed);
        _isUsed = false;
    }

    /// <inheritdoc/>
    /// <remarks>Only the guest's bus is quiet: the device of the host stays awake.</remarks>
    public void Suspend()
    {
    }

    /// <inheritdoc/>
    public void Resume()
    {
    }

    /// <inheritdoc/>
    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        bool toggle = dataPid == UsbPid.Data1;
        if (token.Endpoint == 0)
        {
            _isUsed |= token.Pid == UsbPid.Setup;
            return token.Pid == UsbPid.Setup ? _control.Setup(data) : _control.Out(toggle, data);
        }

        if (token.Pid == UsbPid.Setup || TypeOf(token.Endpoint) is not { } type)
            return UsbReply.Silence;
        if (type != TransferType.Isochronous)
            return PipeOf(token.Endpoint).Out(toggle, _port?.Bus?.TransferBytesLeft ?? data.Length, data);
        StreamOf(token.Endpoint, static (link, endpoint) => new PassthroughSink(link, endpoint)).Out(dataPid, data, Microframe);
        return UsbReply.Silence;
    }

    /// <inheritdoc/>
    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        if (token.Endpoint == 0)
            return _control.In(packet);
        byte endpoint = (byte)(token.Endpoint | 0x80);
        return TypeOf(endpoint) switch
        {
            null => UsbReply.Silence,
            TransferType.Isochronous => StreamOf(endpoint, static (link, address) => new PassthroughSource(link, address)).In(packet, Microframe),
            _ => PipeOf(endpoint).In(_port?.Bus?.TransferBytesLeft ?? 0, packet),
        };
    }

    /// <inheritdoc/>
    public void Acknowledge(in UsbToken token)
    {
        if (token.Endpoint == 0)
            _control.Acknowledge();
        else if (_pipes.TryGetValue((byte)(token.Endpoint | 0x80), out PassthroughPipe? pipe))
            pipe.Acknowledge();
    }

    /// <inheritdoc/>
    public UsbReply? Move(in UsbToken token, bool toggle, int length, TransferPages pages)
    {
        bool isIn = token.Pid == UsbPid.In;
        byte endpoint = (byte)(token.Endpoint | (isIn ? 0x80 : 0));
        if (_link.Direct is null || token.Endpoint == 0 || _port?.Bus is not { } bus || TypeOf(endpoint) != TransferType.Bulk)
            return null;
        PassthroughPipe pipe = PipeOf(endpoint);
        return isIn ? pipe.InDirect(pages, bus) : pipe.OutDirect(toggle, length, pages, bus);
    }

    /// <inheritdoc/>
    public void LetGo(uint? polledIn)
    {
        foreach (PassthroughPipe pipe in _pipes.Values)
            pipe.LetGo(polledIn);
    }

    /// <inheritdoc/>
    public UsbReply Ping(in UsbToken token) =>
        token.Endpoint == 0 ? _control.Ping() : TypeOf(token.Endpoint) is null ? UsbReply.Silence : PipeOf(token.Endpoint).Ping();

    private TransferType? TypeOf(byte endpoint) => _link.Device.TypeOf(endpoint);

    private PassthroughPipe PipeOf(byte endpoint)
    {
        if (!_pipes.TryGetValue(endpoint, out PassthroughPipe? pipe))
            _pipes.Add(endpoint, pipe = new(_link, endpoint, _link.Device.PacketBytesOf(endpoint)));
        return pipe;
    }

    private T StreamOf<T>(byte endpoint, Func<PassthroughLink, byte, T> create)
        where T : class, IPassthroughStream
    {
        if (_streams.TryGetValue(endpoint, out IPassthroughStream? stream) && stream is T known)
            return known;
        T made = create(_link, endpoint);
        _streams[endpoint] = made;
        return made;
    }

    // The host's side is changed already.
    private void EndpointsChanged(SetupPacket setup)
    {
        if (setup.Type != RequestType.Standard)
            return;
        switch ((StandardRequest)setup.Request)
        {
            case StandardRequest.SetConfiguration or StandardRequest.SetInterface:
                Forget();
                break;
            case StandardRequest.ClearFeature when setup is { Recipient: RequestRecipient.Endpoint, Value: (ushort)FeatureSelector.EndpointHalt }:
                if (_pipes.TryGetValue((byte)setup.Index, out PassthroughPipe? pipe))
                    pipe.Restart();
                break;
            default:
                break;
        }
    }

    private void Forget()
    {
        foreach (PassthroughPipe pipe in _pipes.Values)
            pipe.Restart();
        foreach (IPassthroughStream stream in _streams.Values)
            stream.Stop();
        _pipes.Clear();
        _streams.Clear();
    }
}
