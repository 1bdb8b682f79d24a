using Dma.Machine;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>A device that sends one long river of bytes, with pauses, and remembers the runs of equal bytes that it is sent.</summary>
/// <param name="loop">Virtual time.</param>
/// <param name="seed">What decides when it pauses.</param>
/// <param name="pauseNsMax">For how long at most, in nanoseconds.</param>
internal sealed class RiverDevice(EventLoop loop, int seed, ulong pauseNsMax = 3_000_000) : StandardDevice(UsbSpeed.High, s_descriptors)
{
    public const byte InEndpoint = 0x81;
    public const byte OutEndpoint = 0x02;
    public const int PacketBytes = 512;

    private static readonly DescriptorSet s_descriptors = VendorDescriptors.Describe(
        0x00FD, (InEndpoint, TransferType.Bulk, PacketBytes, 0), (OutEndpoint, TransferType.Bulk, PacketBytes, 0));

    private readonly Random _random = new(seed);
    private ulong _pauseEndNs;
    private long _sent;

    /// <summary>Runs of equal bytes that came, in order: the byte, and how many.</summary>
    public List<(byte Value, int Bytes)> Received { get; } = [];

    /// <summary>The byte of the river at a place.</summary>
    public static byte At(long place) => (byte)((place * 7) + (place >> 8));

    protected override UsbReply OnIn(DeviceEndpoint endpoint, Span<byte> packet)
    {
        if (Pauses())
            return UsbReply.Nak;
        for (int index = 0; index < PacketBytes; index++)
            packet[index] = At(_sent + index);
        return UsbReply.Data(endpoint.Toggle, PacketBytes);
    }

    protected override void OnAcknowledged(DeviceEndpoint endpoint) => _sent += PacketBytes;

    protected override UsbReply OnOut(DeviceEndpoint endpoint, ReadOnlySpan<byte> data)
    {
        if (Pauses())
            return UsbReply.Nak;
        foreach (byte value in data)
        {
            if (Received.Count == 0 || Received[^1].Value != value)
                Received.Add((value, 0));
            Received[^1] = (value, Received[^1].Bytes + 1);
        }

        return UsbReply.Ack;
    }

    private bool Pauses()
    {
        if (loop.NowNs >= _pauseEndNs && _random.Next(12) == 0)
            _pauseEndNs = loop.NowNs + (ulong)_random.NextInt64((long)pauseNsMax);
        return loop.NowNs < _pauseEndNs;
    }
}
