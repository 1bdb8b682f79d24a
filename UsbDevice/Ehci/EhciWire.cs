using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The bus as one register set speaks on it: with the device addresses of its driver.</summary>
/// <param name="engine">Whose bus it is, and what replaces addresses there.</param>
/// <param name="set">The register set.</param>
internal sealed class EhciWire(EhciEngine engine, int set)
{
    private readonly UsbBus _bus = engine.Usb;
    private readonly AddressReplacement? _addresses = engine.Addresses;

    /// <summary>Whether anybody watches the bus.</summary>
    public bool IsWatched => _bus.Observer is not null;

    /// <summary>The port in which a device is plugged.</summary>
    /// <param name="address">The address that the driver knows.</param>
    public UsbPort? PortOf(byte address) =>
        _bus.PortOf(_addresses is null ? address : _addresses.Table.Find(set, address));

    /// <summary>Whether a transaction has to wait, and is not to be sent now.</summary>
    /// <param name="token">The token.</param>
    /// <param name="data">The data that would follow.</param>
    public bool Holds(in UsbToken token, ReadOnlySpan<byte> data) => _addresses is not null && _addresses.Holds(set, token, data);

    /// <summary>Says how much the transfer has still to move whose packet is next: <see cref="UsbBus.TransferBytesLeft"/>.</summary>
    public void Expect(int bytes) => _bus.TransferBytesLeft = bytes;

    /// <inheritdoc cref="UsbBus.Out"/>
    public UsbReply Out(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        if (_addresses is null)
            return _bus.Out(token, dataPid, data);
        if (!TryReplace(token, out UsbToken sent))
            return UsbReply.Silence;
        if (token.Pid != UsbPid.Setup || token.Endpoint != 0 || data.Length != SetupPacket.Size)
            return Told(token, sent, _bus.Out(sent, dataPid, data));
        Span<byte> setup = stackalloc byte[SetupPacket.Size];
        data.CopyTo(setup);
        return _addresses.TrySetup(set, token, setup) ? Told(token, sent, _bus.Out(sent, dataPid, setup)) : UsbReply.Silence;
    }

    /// <inheritdoc cref="UsbBus.In"/>
    public UsbReply In(in UsbToken token, Span<byte> packet)
    {
        if (_addresses is null)
            return _bus.In(token, packet);
        if (!TryReplace(token, out UsbToken sent))
            return UsbReply.Silence;
        UsbReply reply = Told(token, sent, _bus.In(sent, packet));

        // A translator acknowledged the status stage itself.
        if (token is { IsSplit: true, Endpoint: 0 } && reply is { IsData: true, Length: 0 })
            _addresses.Completed(set, token.Address);
        return reply;
    }

    /// <inheritdoc cref="UsbBus.EndIn"/>
    public void EndIn(in UsbToken token, UsbReply reply, ReadOnlySpan<byte> packet, bool acknowledged)
    {
        _bus.EndIn(Sent(token), reply, packet, acknowledged);
        if (_addresses is not null && acknowledged && token.Endpoint == 0 && reply.Length == 0)
            _addresses.Completed(set, token.Address);
    }

    /// <inheritdoc cref="UsbBus.Ping"/>
    public UsbReply Ping(in UsbToken token)
    {
        if (_addresses is null)
            return _bus.Ping(token);
        return TryReplace(token, out UsbToken sent) ? Told(token, sent, _bus.Ping(sent)) : UsbReply.Silence;
    }

    /// <inheritdoc cref="UsbBus.EndTransfer"/>
    public void EndTransfer(in UsbToken token, TransferType type, TransferOutcome outcome) => _bus.EndTransfer(Sent(token), type, outcome);

    private UsbToken Sent(in UsbToken token) => _addresses is null ? token : _addresses.Replace(set, token);

    private bool TryReplace(in UsbToken token, out UsbToken sent)
    {
        bool isSent = _addresses!.TryReplace(set, token, out sent);
        if (!isSent)
            engine.Observer?.TokenHandled(new(set, token, null, UsbPid.None));
        return isSent;
    }

    private UsbReply Told(in UsbToken token, in UsbToken sent, UsbReply reply)
    {
        if (token.Endpoint == 0 && reply.Pid == UsbPid.Stall)
            _addresses!.Forget(set, token.Address);
        engine.Observer?.TokenHandled(new(set, token, sent, reply.Pid));
        return reply;
    }
}
