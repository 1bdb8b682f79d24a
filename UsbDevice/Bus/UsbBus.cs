using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>All devices that hear the same packets: those at the ports of a controller, and those behind its hubs at the same speed.</summary>
/// <remarks>
/// The host side of every transaction. A packet reaches each device behind ports that pass it; the one whose
/// address it carries answers. Two that feel addressed at the same time destroy each other's answer.
/// </remarks>
public sealed class UsbBus
{
    /// <summary>Addresses on one bus.</summary>
    public const int AddressCount = 128;

    /// <summary>The longest packet at any speed, in bytes.</summary>
    public const int PacketMax = 1024;

    private readonly UsbPort[] _ports;
    private readonly UsbPort?[] _routes = new UsbPort?[AddressCount];
    private bool _routesValid;

    /// <summary>A bus with empty ports.</summary>
    /// <param name="owner">Whom the ports belong to.</param>
    /// <param name="speed">The speed of its packets.</param>
    /// <param name="portCount">How many ports, at least 1.</param>
    /// <param name="frames">Its frames, where it shares them with another bus of the same controller.</param>
    public UsbBus(IPortOwner owner, UsbSpeed speed, int portCount, FrameClock? frames = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(portCount, 1);
        Speed = speed;
        Frames = frames ?? new();
        _ports = new UsbPort[portCount];
        for (int index = 0; index < portCount; index++)
            _ports[index] = new(owner, index + 1) { Bus = this };
    }

    /// <summary>A bus behind a transaction translator: those of a hub's ports are on it whose <see cref="UsbPort.Bus"/> the hub makes it.</summary>
    /// <param name="speed">The speed of its packets.</param>
    /// <param name="ports">The ports of the hub.</param>
    internal UsbBus(UsbSpeed speed, UsbPort[] ports)
    {
        Speed = speed;
        Frames = new();
        _ports = ports;
    }

    /// <summary>The speed of its packets; on a bus of full speed there may be low-speed devices too.</summary>
    public UsbSpeed Speed { get; }

    /// <summary>Its frames and microframes.</summary>
    public FrameClock Frames { get; internal set; }

    /// <summary>The ports at its root.</summary>
    public IReadOnlyList<UsbPort> Ports => _ports;

    /// <summary>Who sees every transaction, or null.</summary>
    public IPacketObserver? Observer { get; set; }

    /// <summary>Bytes that the transfer at hand has still to move, the packet at hand included, as far as its controller knows.</summary>
    /// <remarks>No packet carries that. It is for devices that are made of software and stand for others: they can ask for all of it at once.</remarks>
    public int TransferBytesLeft { get; set; }

    /// <summary>A number that changes from one round of a controller over its lists to the next, where it counts them.</summary>
    public uint Round { get; private set; }

    /// <summary>How many transfers end that use memory of software without its controller.</summary>
    public int Leaving { get; set; }

    /// <summary>A round over lists begins: what is linked there will be asked about.</summary>
    internal void BeginRound() => Round++;

    /// <summary>Lets devices end transfers that use memory of software (<see cref="IDirectDevice"/>).</summary>
    /// <param name="isAll">Whether all of them, or those only that were not asked about in this round.</param>
    /// <returns>Whether none of them uses memory any more; else it is to be asked again.</returns>
    internal bool TryLetGo(bool isAll)
    {
        foreach (UsbPort port in _ports)
        {
            if (port.Device is IDirectDevice device)
                device.LetGo(isAll ? null : Round);
        }

        return Leaving == 0;
    }

    /// <summary>The device that would answer at an address; null where none or more than one would.</summary>
    public IUsbDevice? Find(byte address) => PortOf(address)?.Device;

    /// <summary>The port, of the root or of a hub, in which the device is plugged that would answer at an address; null where none or more than one would.</summary>
    public UsbPort? PortOf(byte address)
    {
        if (!_routesValid)
            BuildRoutes();
        return _routes[address & (AddressCount - 1)];
    }

    /// <summary>Sends a SETUP or OUT token and its data, or any start-split.</summary>
    /// <param name="token">The token; where it is split, a start-split. That of an IN has no data.</param>
    /// <param name="dataPid">Which data packet.</param>
    /// <param name="data">At most <see cref="PacketMax"/> bytes.</param>
    public UsbReply Out(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        UsbReply reply = (token.IsSplit
            ? TranslatorOf(token)?.StartSplit(token, dataPid, data)
            : Find(token.Address)?.Receive(token, dataPid, data)) ?? UsbReply.Silence;
        Observer?.Transaction(token, dataPid, data, reply.Pid);
        return reply;
    }

    /// <summary>Sends an IN token, or any complete-split, and takes what comes. Data is received well only if <see cref="EndIn"/> follows with an acknowledgement.</summary>
    /// <param name="token">The token; where it is split, a complete-split, and that of an OUT brings a handshake alone.</param>
    /// <param name="packet">Room for <see cref="PacketMax"/> bytes.</param>
    public UsbReply In(in UsbToken token, Span<byte> packet)
    {
        UsbReply reply = (token.IsSplit
            ? TranslatorOf(token)?.CompleteSplit(token, packet)
            : Find(token.Address)?.Send(token, packet)) ?? UsbReply.Silence;
        if (Observer is { } observer && !reply.IsData)
            observer.Transaction(token, UsbPid.None, default, reply.Pid);
        return reply;
    }

    /// <summary>Ends an IN transaction that brought data.</summary>
    /// <param name="token">The token.</param>
    /// <param name="reply">What came.</param>
    /// <param name="packet">The data that came.</param>
    /// <param name="acknowledged">Whether the host answers ACK; a host that could not take the data stays silent, as it does to isochronous data and to a translator.</param>
    public void EndIn(in UsbToken token, UsbReply reply, ReadOnlySpan<byte> packet, bool acknowledged)
    {
        if (acknowledged && !token.IsSplit)
            Find(token.Address)?.Acknowledge(token);
        Observer?.Transaction(token, reply.Pid, packet, acknowledged ? UsbPid.Ack : UsbPid.None);
    }

    /// <summary>Sends a PING token.</summary>
    public UsbReply Ping(in UsbToken token)
    {
        UsbReply reply = Find(token.Address)?.Ping(token) ?? UsbReply.Silence;
        Observer?.Transaction(token, UsbPid.None, default, reply.Pid);
        return reply;
    }

    /// <summary>Says where a transfer ends, to whoever watches: packets alone do not show it.</summary>
    /// <param name="token">The token of its last transaction.</param>
    /// <param name="type">Which kind of transfer.</param>
    /// <param name="outcome">How it ended.</param>
    public void EndTransfer(in UsbToken token, TransferType type, TransferOutcome outcome) => Observer?.TransferEnded(token, type, outcome);

    /// <summary>Something changed in who hears what: a plug, a port, an address.</summary>
    internal void RoutesChanged() => _routesValid = false;

    private ITransactionTranslator? TranslatorOf(in UsbToken token) => Find(token.Split.HubAddress) as ITransactionTranslator;

    private void BuildRoutes()
    {
        Array.Clear(_routes);
        _routesValid = true;
        Span<bool> taken = stackalloc bool[AddressCount];
        AddRoutes(_ports, taken);
    }

    private void AddRoutes(IReadOnlyList<UsbPort> ports, Span<bool> taken)
    {
        for (int index = 0; index < ports.Count; index++)
        {
            UsbPort port = ports[index];
            if (!port.Passes || port.Bus != this || port.Device is not { } device)
                continue;
            int address = device.Address & (AddressCount - 1);
            _routes[address] = taken[address] ? null : port;
            taken[address] = true;
            AddRoutes(device.Downstream, taken);
        }
    }
}
