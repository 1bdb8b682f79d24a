using Dma.Machine;

namespace Dma.Vmm;

/// <summary>An isochronous OUT endpoint of a device that stands for another: packets of the guest are kept until some rows of them can be queued.</summary>
/// <remarks>
/// The host begins when two rows are there, so that the next one is always queued before the last one is over. When no
/// packet comes for a while, what is left goes out as it is, and the next packet begins anew.
/// </remarks>
internal sealed class PassthroughSink : IPassthroughStream
{
    /// <summary>How many packets of the guest are kept; those of a host that does not take them are lost.</summary>
    private const int PacketsMax = 256;

    private const int RowsAhead = 2;

    private readonly PassthroughLink _link;
    private readonly byte _address;
    private readonly List<byte[]> _packets = [];
    private readonly ScheduledEvent _pause;
    private bool _isFlowing;
    private bool _isStopped;

    /// <summary>An endpoint with nothing on its way.</summary>
    /// <param name="link">The device of the host.</param>
    /// <param name="address">bEndpointAddress.</param>
    public PassthroughSink(PassthroughLink link, byte address)
    {
        (_link, _address) = (link, address);
        _pause = new(Pause);
    }

    /// <summary>Packets that were lost since the host did not take them in time.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>A packet of the guest.</summary>
    public void Out(ReadOnlySpan<byte> packet)
    {
        (ulong intervalNs, int multiple, int bytesMax) = _link.Device.RhythmOf(_address);
        if (_isStopped || intervalNs == 0 || packet.Length > bytesMax)
            return;
        if (_packets.Count == PacketsMax)
        {
            Dropped++;
            return;
        }

        _packets.Add(packet.ToArray());
        int row = PassthroughRows.LengthOf(multiple);
        _link.Loop.Schedule(2 * intervalNs, _pause);
        if (!_isFlowing && _packets.Count < RowsAhead * row)
            return;
        _isFlowing = true;
        while (_packets.Count >= row)
            Send(row, row);
    }

    /// <inheritdoc/>
    public void Stop()
    {
        _isStopped = true;
        _pause.Cancel();
        _packets.Clear();
    }

    private void Pause()
    {
        (_, int multiple, _) = _link.Device.RhythmOf(_address);
        int row = PassthroughRows.LengthOf(multiple);
        while (_packets.Count != 0)
        {
            int count = Math.Min(_packets.Count, row);
            Send(count, (count + multiple - 1) / multiple * multiple);
        }

        _isFlowing = false;
    }

    // Places of a row for which there is no packet stay empty.
    private void Send(int count, int places)
    {
        byte[][] packets = [.. _packets[..count]];
        _packets.RemoveRange(0, count);
        _link.Start(() => PassOn(packets, places));
    }

    private async Task PassOn(byte[][] packets, int places)
    {
        int bytes = Math.Max(packets.Sum(packet => packet.Length), 1);
        if (await _link.TryAllocate(bytes) is not { } buffer)
            return;
        HostUsbPacket[] row = new HostUsbPacket[places];
        int at = 0;
        for (int index = 0; index < places; index++)
        {
            byte[] packet = index < packets.Length ? packets[index] : [];
            row[index] = new(at, packet.Length);
            if (packet.Length != 0)
                _link.Write(buffer, at, packet);
            at += packet.Length;
        }

        if (!_isStopped)
            _ = await _link.Device.TransferPackets(_address, buffer, row);
        await _link.Release(buffer);
    }
}
