using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What a device does instead of what it should.</summary>
public enum Mischief
{
    /// <summary>It says nothing.</summary>
    Silence,

    /// <summary>It says that it is not ready.</summary>
    NotReady,

    /// <summary>It refuses.</summary>
    Stall,

    /// <summary>It sends more than it was asked for.</summary>
    Babble,

    /// <summary>It sends less than it should.</summary>
    Short,

    /// <summary>It sends other bytes.</summary>
    OtherBytes,

    /// <summary>It sends the data packet of the other kind.</summary>
    WrongToggle,
}

/// <summary>A device that mostly does what the one inside it does.</summary>
/// <param name="inner">The well-behaved device.</param>
/// <param name="choose">Decides for each transaction, numbered from 0: what to do instead, or null.</param>
internal sealed class MischievousDevice(IUsbDevice inner, Func<int, Mischief?> choose) : IUsbDevice
{
    private int _transactions;

    public UsbSpeed Speed => inner.Speed;

    public byte Address => inner.Address;

    public IReadOnlyList<UsbPort> Downstream => inner.Downstream;

    public void Connected(UsbPort? port) => inner.Connected(port);

    public void Reset() => inner.Reset();

    public void Suspend() => inner.Suspend();

    public void Resume() => inner.Resume();

    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data) => choose(_transactions++) switch
    {
        Mischief.Silence or Mischief.Babble => UsbReply.Silence,
        Mischief.NotReady => UsbReply.Nak,
        Mischief.Stall => UsbReply.Stall,
        Mischief.Short when data.Length > 1 => inner.Receive(token, dataPid, data[..(data.Length / 2)]),
        Mischief.WrongToggle => UsbReply.Ack,
        _ => inner.Receive(token, dataPid, data),
    };

    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        Mischief? mischief = choose(_transactions++);
        switch (mischief)
        {
            case Mischief.Silence:
                return UsbReply.Silence;
            case Mischief.NotReady:
                return UsbReply.Nak;
            case Mischief.Stall:
                return UsbReply.Stall;
            default:
                break;
        }

        UsbReply reply = inner.Send(token, packet);
        if (!reply.IsData)
            return reply;
        switch (mischief)
        {
            case Mischief.Babble:
                return UsbReply.Data(reply.Pid, packet.Length);
            case Mischief.Short:
                return UsbReply.Data(reply.Pid, reply.Length / 2);
            case Mischief.OtherBytes:
                foreach (ref byte value in packet[..reply.Length])
                    value ^= 0xA5;
                return reply;
            case Mischief.WrongToggle:
                return UsbReply.Data(reply.Pid == UsbPid.Data0, reply.Length);
            default:
                return reply;
        }
    }

    public void Acknowledge(in UsbToken token) => inner.Acknowledge(token);

    public UsbReply Ping(in UsbToken token) => choose(_transactions++) == Mischief.NotReady ? UsbReply.Nak : inner.Ping(token);
}
