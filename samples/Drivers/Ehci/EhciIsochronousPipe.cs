using Dma.Hal;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>The way to an isochronous endpoint: descriptors in frames to come, and books of which they are.</summary>
internal sealed class EhciIsochronousPipe : IUsbIsochronousPipe
{
    private const ulong FrameNs = 1_000_000;

    /// <summary>What FRINDEX counts frames by.</summary>
    private const int FrameModulus = 2048;

    /// <summary>How many frames may be queued at a time; the list must not come round to what is not done.</summary>
    private const int FramesMax = EhciPeriodicList.Frames - 64;

    /// <summary>The first frame that is safe to write into, from the one that is on: the controller may have read the next one already.</summary>
    private const int LeadFrames = 2;

    private readonly EhciMemory _memory;
    private readonly EhciEvents _events;
    private readonly EhciPeriodicList _list;
    private readonly EhciIsochronousFrames _frames;
    private readonly PeriodicNeed _need;
    private readonly PeriodicPlace _place;
    private readonly Gate _queueing = new();
    private readonly Queue<(ulong PassedNs, int Offset)> _resting = new();
    private int _queued;
    private int _nextFrame = -1;
    private bool _isClosed;

    /// <summary>A pipe with nothing queued.</summary>
    public EhciIsochronousPipe(
        EhciMemory memory, EhciEvents events, EhciPeriodicList list, UsbEndpoint endpoint, EhciConnection connection, PeriodicNeed need, PeriodicPlace place)
    {
        (_memory, _events, _list, _need, _place) = (memory, events, list, need, place);
        _frames = new(memory, endpoint, connection, place);
        PacketBytesMax = endpoint.Descriptor.MaxPacketSize * (1 + endpoint.Descriptor.AdditionalTransactions);
    }

    /// <inheritdoc/>
    public ulong IntervalNs => FrameNs * (ulong)_place.Period / (ulong)_frames.PacketsPerFrame;

    /// <inheritdoc/>
    public int PacketBytesMax { get; }

    /// <inheritdoc/>
    public int PacketMultiple => _frames.PacketsPerFrame;

    /// <inheritdoc/>
    public int PacketsMax => FramesMax / 2 / _place.Period * _frames.PacketsPerFrame;

    /// <inheritdoc/>
    public async ValueTask<IsochronousResult> Transfer(DmaMapping data, IsochronousPacket[] packets)
    {
        IsochronousRules.Check(this, data, packets);
        if (!_memory.CanReach(data))
            return new(TransferStatus.NotMapped, 0);
        int count = packets.Length / _frames.PacketsPerFrame;
        (int Frame, int Offset)[] queued = new (int, int)[count];
        int skipped;
        await _queueing.Enter();
        try
        {
            // What rests is back within a frame: no memory is taken instead of it.
            GiveBack();
            while (!_memory.Has(count, small: 0))
            {
                if (!await TryGiveBackLater())
                    await _memory.Reserve(count, small: 0);
            }

            // The list must not come round to what is not done.
            while (_queued * _place.Period + count * _place.Period > FramesMax && !_events.HasStopped && !_isClosed)
                _ = await _events.Next(ulong.MaxValue);
            if (_isClosed || _events.HasStopped)
                return new(_isClosed ? TransferStatus.Canceled : TransferStatus.ControllerStopped, 0);
            skipped = ChooseStart();
            for (int index = 0; index < count; index++)
                queued[index] = Queue(data.DeviceAddress, packets.AsSpan(index * _frames.PacketsPerFrame, _frames.PacketsPerFrame), index == count - 1);
        }
        finally
        {
            _queueing.Leave();
        }

        return new(await WaitForEnd(queued, packets), skipped);
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;
        while (_queued != 0 && !_events.HasStopped)
            _ = await _events.Next(ulong.MaxValue);
        while (await TryGiveBackLater())
        {
        }

        _list.Bandwidth.Return(_need, _place);
    }

    // What was taken off before its frame was over may be what the controller goes on from, to the structures of others: as
    // long it stays as it was.
    private void GiveBack()
    {
        while (_resting.TryPeek(out (ulong PassedNs, int Offset) first) && (first.PassedNs <= _events.NowNs || _events.HasStopped))
            _frames.Return(_resting.Dequeue().Offset);
    }

    private async ValueTask<bool> TryGiveBackLater()
    {
        if (!_resting.TryPeek(out (ulong PassedNs, int Offset) first))
            return false;
        await _list.WaitUntil(first.PassedNs);
        GiveBack();
        return true;
    }

    /// <summary>Chooses the frame of the next packet: behind the one before, or as soon as possible.</summary>
    /// <returns>Intervals that were skipped.</returns>
    private int ChooseStart()
    {
        int earliest = _list.CurrentFrame + LeadFrames;
        int ahead = (_nextFrame - earliest) & (FrameModulus - 1);
        if (_nextFrame >= 0 && ahead <= FrameModulus / 2)
            return 0;

        // Too late for that, or the first of all: the next frame of its own.
        int wait = (_place.Frame - earliest) & (_place.Period - 1);
        int start = (earliest + wait) & (FrameModulus - 1);
        int skipped = _nextFrame < 0 ? 0 : ((start - _nextFrame) & (FrameModulus - 1)) / _place.Period * _frames.PacketsPerFrame;
        _nextFrame = start;
        return skipped;
    }

    private (int Frame, int Offset) Queue(Iova buffer, ReadOnlySpan<IsochronousPacket> packets, bool isLast)
    {
        int offset = _frames.Write(buffer, packets, isLast);
        int frame = _nextFrame % EhciPeriodicList.Frames;
        _list.LinkIsochronous(frame, offset, _frames.Type);
        _nextFrame = (_nextFrame + _place.Period) & (FrameModulus - 1);
        _queued++;
        return (frame, offset);
    }

    private async ValueTask<TransferStatus> WaitForEnd((int Frame, int Offset)[] queued, IsochronousPacket[] packets)
    {
        // A frame that was missed never becomes inactive; by then its time is over all the same.
        ulong endNs = _events.After(FrameNs * (ulong)((_queued * _place.Period) + LeadFrames + _place.Period));
        while (!_frames.IsDone(queued[^1].Offset) && !_events.HasStopped && !_isClosed && _events.NowNs < endNs)
            _ = await _events.Next(endNs);

        // Closed in the midst of it: off the list first, then wait until nobody can stand there any more.
        foreach ((int frame, int offset) in queued)
            _list.UnlinkIsochronous(frame, offset);
        if (_isClosed && !_events.HasStopped)
            await _list.WaitUntilPassed();
        for (int index = 0; index < queued.Length; index++)
        {
            _frames.Read(queued[index].Offset, packets.AsSpan(index * _frames.PacketsPerFrame, _frames.PacketsPerFrame));
            if (_place.EndsEarly && !_isClosed)
                _resting.Enqueue((_events.After(FrameNs), queued[index].Offset));
            else
                _frames.Return(queued[index].Offset);
        }

        _queued -= queued.Length;
        return _events.HasStopped ? TransferStatus.ControllerStopped : _isClosed ? TransferStatus.Canceled : TransferStatus.Completed;
    }
}
