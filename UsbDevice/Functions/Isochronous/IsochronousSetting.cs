namespace Dma.UsbDevice;

/// <summary>What an <see cref="IsochronousDevice"/> moves in one of its settings.</summary>
/// <param name="Bytes">Bytes in each of its turns, 1 to 3072; more than 1024 are up to three packets of the same length.</param>
/// <param name="In">Whether it sends; otherwise it takes.</param>
/// <param name="Interval">bInterval: a turn every 2 to the interval less one microframes, 1 to 16.</param>
public readonly record struct IsochronousSetting(int Bytes, bool In = true, byte Interval = 1)
{
    private const int TransactionsMax = 3;

    /// <summary>Packets in a turn.</summary>
    public int Packets => (Bytes + UsbBus.PacketMax - 1) / UsbBus.PacketMax;

    /// <summary>Bytes in each packet.</summary>
    public int PacketBytes => (Bytes + Packets - 1) / Packets;

    /// <summary>Fails where no device has such an endpoint.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is out of range.</exception>
    internal void Check(string name)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Bytes - 1, (uint)(TransactionsMax * UsbBus.PacketMax) - 1, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)Interval - 1, 15u, name);
    }
}
