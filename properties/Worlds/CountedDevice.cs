using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A USB device on its bus, of which is known how often it was reset and asked for anything.</summary>
/// <param name="inner">The device.</param>
internal sealed class CountedDevice(IUsbDevice inner) : IUsbDevice
{
    /// <summary>Resets so far.</summary>
    public int Resets { get; private set; }

    /// <summary>Packets to and from it since its last reset.</summary>
    public int Packets { get; private set; }

    public UsbSpeed Speed => inner.Speed;

    public byte Address => inner.Address;

    public IReadOnlyList<UsbPort> Downstream => inner.Downstream;

    public void Connected(UsbPort? port) => inner.Connected(port);

    public void Reset()
    {
        (Resets, Packets) = (Resets + 1, 0);
        inner.Reset();
    }

    public void Suspend() => inner.Suspend();

    public void Resume() => inner.Resume();

    public UsbReply Receive(in UsbToken token, UsbPid dataPid, ReadOnlySpan<byte> data)
    {
        Packets++;
        return inner.Receive(token, dataPid, data);
    }

    public UsbReply Send(in UsbToken token, Span<byte> packet)
    {
        Packets++;
        return inner.Send(token, packet);
    }

    public void Acknowledge(in UsbToken token) => inner.Acknowledge(token);

    public UsbReply Ping(in UsbToken token) => inner.Ping(token);
}
