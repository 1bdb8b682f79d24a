using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The bus as one register set speaks on it, with the device addresses of its driver, and the devices of the set that are not on the bus.</summary>
/// <param name="engine">Whose bus it is, and what replaces addresses there.</param>
/// <param name="set">The register set.</param>
/// <param name="inside">Where the devices are that are not on the bus; null where there are none.</param>
internal sealed class EhciWire(EhciEngine engine, int set, UsbBus? inside)
{
    private readonly UsbBus _bus = engine.Usb;
    private readonly AddressReplacement? _addresses = engine.Addresses;
    private readonly ConfigurationRequests? _requests = engine.Configurations;

    /// <summary>Whether anybody watches the bus.</summary>
    public bool IsWatched => _bus.Observer is not null;

    /// <summary>Whether a token is for a device that is not on the bus: no packet is sent for it.</summary>
    /// <param name="token">The token.</param>
    public bool IsInside(in UsbToken token) => inside is not null && !token.IsSplit && inside.Find(token.Address) is not null;

    /// <summary>The port in which a device is plugged.</summary>
    /// <param name="address">The address that the driver knows.</param>
    public UsbPort? PortOf(byte address) =>
        inside?.PortOf(address) ?? _bus.PortOf(_addresses is null ? address : _addresses.Table.Find(set, address));

    /// <summary>Whether a transaction has to wait, and is not to be sent now.</summary>
    /// <param name="token">The token.</param>
    /// <param name="data">The data that would follow.</param>
    public bool Holds(in UsbToken token, ReadOnlySpan<byte> data) => _addresses is not null && !IsInside(token)
        && (_addresses.Holds(set, token, data) || _requests!.Holds(set, token, data));

    /// <summary>Says how much the transfer has still to move whose packet is next: <see cref="UsbBus.TransferBytesLeft"/>.</summary>
    public void Expect(int bytes) => _bus.TransferBytesLeft = bytes;

    /// <summary>The device that would answer, where data need not go over the bus to it; null where it has to.</summary>
    public IDirectDevice? DirectAt(in UsbToken token) => _addresses is null && !IsInside(token) && !IsWatched ? _bus.Find(token.Address) as IDirectDevice : null;

    /// <inheritdoc cref="UsbBus.BeginRound"/>
    public void BeginRound() => _bus.BeginRound();

    /// <inheritdoc cref="UsbBus.TryLetGo"/>
    public bool TryLetGo(bool isAll) => _bus.TryLetGo(isAll);

    /// <inheritdoc cref="UsbBus.Out"/>
    public UsbReply Out(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        if (_addresses is null)
            return AsAsked(token, _bus.Out(token, dataPid, data));
        if (IsInside(token))
            return inside!.Out(token, dataPid, data);
        if (!TryReplace(token, out UsbToken sent))
            return UsbReply.Silence;
        if (token.Pid != UsbPid.Setup || token.Endpoint != 0 || data.Length != SetupPacket.Size)
            return _requests!.IsRefused(set, token) ? Unsent(token, token.IsSplit) : Told(token, sent, _bus.Out(sent, dataPid, data));
        Span<byte> setup = stackalloc byte[SetupPacket.Size];
        data.CopyTo(setup);
        if (!_requests!.TryBegin(set, token, data))
            return Unsent(token, isTaken: true);
        return _addresses.TrySetup(set, token, setup) ? Told(token, sent, _bus.Out(sent, dataPid, setup)) : UsbReply.Silence;
    }

    /// <inheritdoc cref="UsbBus.In"/>
    public UsbReply In(in UsbToken token, Span<byte> packet)
    {
        if (_addresses is null)
            return AsAsked(token, _bus.In(token, packet));
        if (IsInside(token))
            return inside!.In(token, packet);
        if (!TryReplace(token, out UsbToken sent))
            return UsbReply.Silence;
        if (_requests!.IsRefused(set, token))
            return Unsent(token, isTaken: token.Pid == UsbPid.Setup);
        UsbReply reply = Told(token, sent, _bus.In(sent, packet));

        // A translator acknowledged what came itself, the status stage too.
        if (token is { IsSplit: true, Endpoint: 0 } && reply.IsData)
            Came(token, sent, reply, packet[..reply.Length]);
        return reply;
    }

    /// <inheritdoc cref="UsbBus.EndIn"/>
    public void EndIn(in UsbToken token, UsbReply reply, ReadOnlySpan<byte> packet, bool acknowledged)
    {
        if (IsInside(token))
        {
            inside!.EndIn(token, reply, packet, acknowledged);
            return;
        }

        UsbToken sent = Sent(token);
        _bus.EndIn(sent, reply, packet, acknowledged);
        if (_addresses is not null && acknowledged && token.Endpoint == 0)
            Came(token, sent, reply, packet);
    }

    /// <inheritdoc cref="UsbBus.Ping"/>
    public UsbReply Ping(in UsbToken token)
    {
        if (_addresses is null)
            return AsAsked(token, _bus.Ping(token));
        if (IsInside(token))
            return inside!.Ping(token);
        if (!TryReplace(token, out UsbToken sent))
            return UsbReply.Silence;
        return _requests!.IsRefused(set, token) ? Unsent(token, isTaken: false) : Told(token, sent, _bus.Ping(sent));
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

    // Data of endpoint 0 arrived; without any, it is the end of a request.
    private void Came(in UsbToken token, in UsbToken sent, UsbReply reply, ReadOnlySpan<byte> packet)
    {
        if (reply.Length != 0)
        {
            _requests!.Seen.Came(sent.Address, reply.Pid, packet);
            return;
        }

        _requests!.Ended(set, token.Address, isDone: true);
        _addresses!.Completed(set, token.Address);
    }

    // The answer to a request that did not go out: taken, or STALL.
    private UsbReply Unsent(in UsbToken token, bool isTaken)
    {
        UsbReply reply = isTaken ? UsbReply.Ack : UsbReply.Stall;
        engine.Observer?.TokenHandled(new(set, token, null, reply.Pid));
        return reply;
    }

    // Addresses are not replaced.
    private UsbReply AsAsked(in UsbToken token, UsbReply reply)
    {
        engine.Observer?.TokenHandled(new(set, token, token, reply.Pid));
        return reply;
    }

    private UsbReply Told(in UsbToken token, in UsbToken sent, UsbReply reply)
    {
        if (token.Endpoint == 0 && reply.Pid == UsbPid.Stall)
        {
            _addresses!.Forget(set, token.Address);
            _requests!.Ended(set, token.Address, isDone: false);
        }

        engine.Observer?.TokenHandled(new(set, token, sent, reply.Pid));
        return reply;
    }
}
