using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>An isochronous IN endpoint of a device that stands for another: the host fetches ahead of time, the guest gets what is there.</summary>
/// <remarks>
/// The host begins with the first token of the guest, and keeps some rows of turns queued as long as tokens come. Until the
/// first row is there, and whenever none is, the guest gets an empty packet. A turn of up to three packets in a microframe says with each how
/// many follow (USB 2.0, high-bandwidth endpoints).
/// </remarks>
/// <param name="link">The device of the host.</param>
/// <param name="address">bEndpointAddress.</param>
internal sealed class PassthroughSource(PassthroughLink link, byte address) : IPassthroughStream
{
    /// <summary>How many turns are kept for a guest that does not come for them.</summary>
    private const int TurnsMax = 256;

    private readonly int _packetBytes = Math.Max(link.Device.PacketBytesOf(address), 1);
    private readonly Queue<byte[]> _turns = new();
    private ReadOnlyMemory<byte> _rest;
    private ulong _microframe;
    private ulong _lastNs;
    private int _running;
    private bool _isStopped;

    /// <summary>Turns that came when the guest had left too many.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>An IN token.</summary>
    /// <param name="packet">Room for a packet.</param>
    /// <param name="microframe">The microframe of the guest's bus: the rest of a turn that it did not ask for is lost with it, as a device loses it.</param>
    public UsbReply In(Span<byte> packet, ulong microframe)
    {
        _lastNs = link.Loop.NowNs;
        while (_running < PassthroughRows.Count && !_isStopped)
        {
            _running++;
            link.Start(Fetch);
        }

        if (microframe != _microframe)
            (_microframe, _rest) = (microframe, default);
        if (_rest.IsEmpty && _turns.TryDequeue(out byte[]? next))
            _rest = next;
        int length = Math.Min(_rest.Length, Math.Min(_packetBytes, packet.Length));
        _rest.Span[..length].CopyTo(packet);
        _rest = _rest[length..];
        int following = (_rest.Length + _packetBytes - 1) / _packetBytes;
        return UsbReply.Data(following switch { 0 => UsbPid.Data0, 1 => UsbPid.Data1, _ => UsbPid.Data2 }, length);
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
        if (_turns.Count == TurnsMax)
        {
            _ = _turns.Dequeue();
            Dropped++;
        }

        byte[] bytes = new byte[Math.Min(packet.Moved, packet.Length)];
        link.Read(buffer, packet.Offset, bytes);
        _turns.Enqueue(bytes);
    }
}
