using System.Buffers;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>An isochronous OUT endpoint of a device that stands for another: turns of the guest are kept until some rows of them can be queued.</summary>
/// <remarks>
/// The host begins when two rows are there, so that the next one is always queued before the last one is over. When no
/// packet comes for a while, what is left goes out as it is, and the next turn begins anew. Packets of one microframe that say
/// that more follow (MDATA) are one turn of the host's device.
/// </remarks>
internal sealed class PassthroughSink : IPassthroughStream
{
    /// <summary>How many turns of the guest are kept; those of a host that does not take them are lost.</summary>
    private const int TurnsMax = 256;

    private const int RowsAhead = 2;

    private readonly PassthroughLink _link;
    private readonly byte _address;
    private readonly List<byte[]> _turns = [];
    private readonly ArrayBufferWriter<byte> _turn = new();
    private readonly ScheduledEvent _pause;
    private ulong _microframe;
    private bool _isTooLong;
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

    /// <summary>Turns that were lost since the host did not take them in time.</summary>
    public ulong Dropped { get; private set; }

    /// <summary>A packet of the guest.</summary>
    /// <param name="pid">Which data packet: MDATA where more of the turn follow.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="microframe">The microframe of the guest's bus: a turn that is not whole when it is over is none.</param>
    public void Out(UsbPid pid, ReadOnlySpan<byte> packet, ulong microframe)
    {
        (ulong intervalNs, int multiple, int bytesMax) = _link.Device.RhythmOf(_address);
        if (microframe != _microframe)
        {
            (_microframe, _isTooLong) = (microframe, false);
            _turn.ResetWrittenCount();
        }

        _isTooLong |= _turn.WrittenCount + packet.Length > bytesMax;
        if (_isStopped || intervalNs == 0 || _isTooLong)
            return;
        _turn.Write(packet);
        if (pid == UsbPid.DataM)
            return;
        byte[] turn = _turn.WrittenSpan.ToArray();
        _turn.ResetWrittenCount();
        if (_turns.Count == TurnsMax)
        {
            Dropped++;
            return;
        }

        _turns.Add(turn);
        int row = PassthroughRows.LengthOf(multiple);
        _link.Loop.Schedule(2 * intervalNs, _pause);
        if (!_isFlowing && _turns.Count < RowsAhead * row)
            return;
        _isFlowing = true;
        while (_turns.Count >= row)
            Send(row, row);
    }

    /// <inheritdoc/>
    public void Stop()
    {
        _isStopped = true;
        _pause.Cancel();
        _turns.Clear();
    }

    private void Pause()
    {
        (_, int multiple, _) = _link.Device.RhythmOf(_address);
        int row = PassthroughRows.LengthOf(multiple);
        while (_turns.Count != 0)
        {
            int count = Math.Min(_turns.Count, row);
            Send(count, (count + multiple - 1) / multiple * multiple);
        }

        _isFlowing = false;
    }

    // Places of a row for which there is no turn stay empty.
    private void Send(int count, int places)
    {
        byte[][] turns = [.. _turns[..count]];
        _turns.RemoveRange(0, count);
        _link.Start(() => PassOn(turns, places));
    }

    private async Task PassOn(byte[][] turns, int places)
    {
        int bytes = Math.Max(turns.Sum(turn => turn.Length), 1);
        if (await _link.TryAllocate(bytes) is not { } buffer)
            return;
        HostUsbPacket[] row = new HostUsbPacket[places];
        int at = 0;
        for (int index = 0; index < places; index++)
        {
            byte[] turn = index < turns.Length ? turns[index] : [];
            row[index] = new(at, turn.Length);
            if (turn.Length != 0)
                _link.Write(buffer, at, turn);
            at += turn.Length;
        }

        if (!_isStopped)
            _ = await _link.Device.TransferPackets(_address, buffer, row);
        await _link.Release(buffer);
    }
}
