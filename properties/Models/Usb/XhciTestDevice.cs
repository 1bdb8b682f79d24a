using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device of any speed that takes its address, and whose other answers a test decides; every packet is written down.</summary>
internal sealed class XhciTestDevice : IUsbDevice
{
    private readonly byte[] _room = new byte[UsbBus.PacketMax + 8];
    private byte? _nextAddress;

    /// <summary>What was asked of it: token, endpoint, which data packet, and how many bytes.</summary>
    public List<(UsbPid Token, int Endpoint, UsbPid Data, int Length)> Heard { get; } = [];

    /// <summary>When each packet came, if a clock is given.</summary>
    public List<ulong> Times { get; } = [];

    public Func<ulong>? Clock { get; init; }

    /// <summary>Whether packets are written down.</summary>
    public bool Notes { get; set; } = true;

    /// <summary>The answer to SETUP and OUT, SET_ADDRESS apart.</summary>
    public Func<UsbToken, byte[], UsbReply> Takes { get; set; } = static (_, _) => UsbReply.Ack;

    /// <summary>The answer to IN, the status of SET_ADDRESS apart; it may fill the packet.</summary>
    public Func<UsbToken, Memory<byte>, UsbReply> Gives { get; set; } = static (_, _) => UsbReply.Nak;

    public Func<UsbReply> Pings { get; set; } = static () => UsbReply.Ack;

    /// <summary>Called for each acknowledgement.</summary>
    public Action<UsbToken> Confirms { get; set; } = static _ => { };

    public UsbSpeed Speed { get; init; } = UsbSpeed.High;

    public byte Address { get; private set; }

    public bool? AcceptsL1 { get; init; }

    public IReadOnlyList<UsbPort> Downstream => [];

    public UsbPort? Port { get; private set; }

    public int Resets { get; private set; }

    public bool IsSuspended { get; private set; }

    /// <summary>Says ERDY.</summary>
    public void SayReady(UsbPid pid, int endpoint, int stream = 0) =>
        Port?.SignalReady(new(pid, Address, (byte)endpoint) { Stream = (ushort)stream });

    /// <summary>The answer of an endpoint that is not ready; at SuperSpeed it says so itself when it is, a microsecond later.</summary>
    public UsbReply Later(EventLoop loop, UsbToken token)
    {
        if (Speed == UsbSpeed.Super)
            _ = loop.Schedule(1000, () => Port?.SignalReady(token));
        return UsbReply.Nak;
    }

    public void Connected(UsbPort? port)
    {
        Port = port;
        Reset();
    }

    public void Reset()
    {
        Resets++;
        (Address, _nextAddress, IsSuspended) = (0, null, false);
        Port?.RoutesChanged();
    }

    public void Suspend() => IsSuspended = true;

    public void Resume() => IsSuspended = false;

    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        Note(token, dataPid, data.Length);
        if (token.Pid == UsbPid.Setup && Packed.Read<SetupPacket>(data) is { Request: (byte)StandardRequest.SetAddress, Characteristics: 0 } setup)
        {
            _nextAddress = (byte)setup.Value;
            return UsbReply.Ack;
        }

        return Notes ? Takes(token, data.ToArray()) : Takes(token, []);
    }

    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        Note(token, UsbPid.None, 0);
        if (token.Endpoint == 0 && _nextAddress is not null)
            return UsbReply.Data(true, 0);
        UsbReply reply = Gives(token, _room);
        _room.AsSpan(0, reply.Length).CopyTo(packet);
        return reply;
    }

    public void Acknowledge(in UsbToken token)
    {
        if (token.Endpoint == 0 && _nextAddress is { } address)
        {
            (Address, _nextAddress) = (address, null);
            Port?.RoutesChanged();
            return;
        }

        Confirms(token);
    }

    public UsbReply Ping(in UsbToken token)
    {
        Note(token, UsbPid.None, 0);
        return Pings();
    }

    private void Note(in UsbToken token, UsbPid data, int length)
    {
        if (!Notes)
            return;
        Heard.Add((token.Pid, token.Endpoint, data, length));
        if (Clock is not null)
            Times.Add(Clock());
    }
}
