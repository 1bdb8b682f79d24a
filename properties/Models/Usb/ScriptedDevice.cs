using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device without endpoints of its own: a test decides each answer, and every packet is written down.</summary>
internal sealed class ScriptedDevice : IUsbDevice
{
    /// <summary>What was asked of it: token, which data packet, and how many bytes.</summary>
    public List<(UsbPid Token, int Endpoint, UsbPid Data, int Length)> Heard { get; } = [];

    /// <summary>When each packet came, if a clock is given.</summary>
    public List<ulong> Times { get; } = [];

    public Func<ulong>? Clock { get; init; }

    /// <summary>The answer to SETUP and OUT.</summary>
    public Func<UsbToken, int, UsbReply> Takes { get; set; } = static (_, _) => UsbReply.Ack;

    /// <summary>The answer to IN; it may fill the packet.</summary>
    public Func<UsbToken, Memory<byte>, UsbReply> Gives { get; set; } = static (_, _) => UsbReply.Nak;

    /// <summary>The answer to PING.</summary>
    public Func<UsbReply> Pings { get; set; } = static () => UsbReply.Ack;

    public int Acknowledged { get; private set; }

    public int Resets { get; private set; }

    public UsbSpeed Speed { get; init; } = UsbSpeed.High;

    public byte Address { get; init; }

    public IReadOnlyList<UsbPort> Downstream => [];

    public bool IsSuspended { get; private set; }

    public UsbPort? Port { get; private set; }

    private readonly byte[] _room = new byte[UsbBus.PacketMax + 8];

    public void Connected(UsbPort? port) => Port = port;

    public void Reset() => Resets++;

    public void Suspend() => IsSuspended = true;

    public void Resume() => IsSuspended = false;

    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        Note(token, dataPid, data.Length);
        return Takes(token, data.Length);
    }

    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        Note(token, UsbPid.None, 0);
        UsbReply reply = Gives(token, _room);
        _room.AsSpan(0, reply.Length).CopyTo(packet);
        return reply;
    }

    public void Acknowledge(in UsbToken token) => Acknowledged++;

    public UsbReply Ping(in UsbToken token)
    {
        Note(token, UsbPid.None, 0);
        return Pings();
    }

    private void Note(in UsbToken token, UsbPid data, int length)
    {
        Heard.Add((token.Pid, token.Endpoint, data, length));
        if (Clock is not null)
            Times.Add(Clock());
    }
}
