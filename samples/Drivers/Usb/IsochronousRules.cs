using Dma.Hal;

namespace Dma.Drivers;

/// <summary>What a row of isochronous packets must keep to, whatever the controller.</summary>
internal static class IsochronousRules
{
    /// <summary>Holds the packets of a transfer to the buffer and to the endpoint.</summary>
    /// <param name="pipe">The way to the endpoint.</param>
    /// <param name="data">The buffer.</param>
    /// <param name="packets">The packets.</param>
    /// <exception cref="ArgumentException">There are too many, not a multiple, or they do not lie one behind the other in the buffer.</exception>
    public static void Check(IUsbIsochronousPipe pipe, DmaMapping data, IsochronousPacket[] packets)
    {
        if (packets.Length == 0 || packets.Length % pipe.PacketMultiple != 0 || packets.Length > pipe.PacketsMax)
            throw new ArgumentException($"A transfer has a multiple of {pipe.PacketMultiple} packets, at most {pipe.PacketsMax}.", nameof(packets));
        int end = 0;
        foreach (IsochronousPacket packet in packets)
        {
            if (packet.Offset < end || packet.Length < 0 || packet.Length > pipe.PacketBytesMax || packet.Length > data.Length - packet.Offset)
                throw new ArgumentException("Packets lie one behind the other in the buffer, each no longer than the endpoint takes.", nameof(packets));
            end = packet.Offset + packet.Length;
        }
    }
}
