using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>An isochronous IN endpoint of a device that stands for another: the host fetches ahead of time, the guest gets what is there.</summary>
/// <remarks>
/// The host begins with the first token of the guest, and keeps some rows of packets queued as long as tokens come. Until the
/// first row is there, and whenever none is, the guest gets an empty packet.
/// </remarks>
/// <param name="link">The device of the host.</param>
/// <param name="address">bEndpointAddress.</param>
internal sealed class PassthroughSource(PassthroughLink link, byte address) : IPassthroughStream
{
    /// <summary>How many packets are kept for a guest that does not come for them.</summary>
    private const int PacketsMax = 256;

    private readonly Queue<byte[]> _packets = new();
    private ulong _lastNs;
    private int _running;
    private bool _isStopped;

    /// <summary>Packets that came when the guest had left too many.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>An IN token.</summary>
    public UsbReply In(Span<byte> packet)
    {
        _lastNs = link.Loop.NowNs;
        while (_running < PassthroughRows.Count && !_isStopped)
        {
            _running++;
            link.Start(Fetch);
        }

        if (!_packets.TryDequeue(out byte[]? next))
            return UsbReply.Data(UsbPid.Data0, 0);
        next.CopyTo(packet);
        return UsbReply.Data(UsbPid.Data0, next.Length);
    }

    /// <inheritdoc/>
    public void Stop() => _isStopped = true;

    // One row after the other; the others of its kind have theirs queued meanwhile.
    private async Task Fetch()
    {
        (ulong intervalNs, int multiple, int bytesMax) = link.Device.RhythmOf(address);
        int count = PassthroughRows.LengthOf(multiple);
        if (intervalNs != 0 && await link.TryAllocate(count * bytesMax) is { } buffer)
        {
            HostUsbStatus status = HostUsbStatus.Completed;
            while (!_isStopped && status == HostUsbStatus.Completed && link.Loop.NowNs - _lastNs <= (ulong)count * intervalNs)
            {
                HostUsbPacket[] row = [.. Enumerable.Range(0, count).Select(index => new HostUsbPacket(index * bytesMax, bytesMax))];
                status = (await link.Device.TransferPackets(address, buffer, row)).Status;
                foreach (HostUsbPacket packet in row)
                    Keep(buffer, packet);
            }

            await link.Release(buffer);
        }

        _running--;
    }

    private void Keep(HostUsbBuffer buffer, HostUsbPacket packet)
    {
        if (packet.Moved == 0)
            return;
        if (_packets.Count == PacketsMax)
        {
            _ = _packets.Dequeue();
            Dropped++;
        }

        byte[] bytes = new byte[Math.Min(packet.Moved, packet.Length)];
        link.Read(buffer, packet.Offset, bytes);
        _packets.Enqueue(bytes);
    }
}
