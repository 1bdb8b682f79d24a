using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to one endpoint: its queue on a list of the schedule, and the transfers that wait for their turn.</summary>
internal sealed class EhciPipe : IUsbPipe
{
    private readonly EhciMemory _memory;
    private readonly EhciEvents _events;
    private readonly IEhciList _list;
    private readonly EhciQueue _queue;
    private readonly PacketId _pid;
    private readonly Func<ValueTask>? _clearTranslator;
    private readonly Action? _closed;
    private readonly Gate _turn = new();
    private bool _isClosed;
    private bool _isCanceled;

    /// <summary>Opens the pipe: links its queue.</summary>
    /// <param name="memory">Where structures lie.</param>
    /// <param name="events">What the controller tells.</param>
    /// <param name="list">Where the queue stands.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="isIn">Whether the device sends.</param>
    /// <param name="clearTranslator">How a translator is told to forget an unfinished transfer, or null.</param>
    /// <param name="closed">What to do when it is closed, or null.</param>
    public EhciPipe(
        EhciMemory memory, EhciEvents events, IEhciList list, EhciQueue queue, bool isIn, Func<ValueTask>? clearTranslator = null, Action? closed = null)
    {
        (_memory, _events, _list, _queue) = (memory, events, list, queue);
        (_clearTranslator, _closed) = (clearTranslator, closed);
        _pid = isIn ? PacketId.In : PacketId.Out;
        list.Link(queue);
    }

    /// <inheritdoc/>
    public ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(data.Length, UsbLimits.TransferBytesMax);
        return _memory.CanReach(data)
            ? Execute([new(_pid, data.DeviceAddress, data.Length, Toggle: false, IsData: true)], timeoutNs)
            : new(new TransferResult(TransferStatus.NotMapped, 0));
    }

    /// <inheritdoc/>
    public void Cancel() => _isCanceled = true;

    /// <inheritdoc/>
    public async ValueTask Restart()
    {
        await _turn.Enter();
        try
        {
            if (!_isClosed)
                await Repair(keepsToggle: false);
        }
        finally
        {
            _turn.Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask Close()
    {
        if (_isClosed)
            return;
        _isClosed = true;

        // What runs sees it at the next interrupt, or when the watchdog looks.
        await _turn.Enter();
        if (await _list.Unlink(_queue))
            _queue.Release();
        _closed?.Invoke();
        _turn.Leave();
    }

    /// <summary>Runs a chain to its end, whatever that is.</summary>
    public async ValueTask<TransferResult> Execute(EhciQueue.Stage[] stages, ulong timeoutNs)
    {
        await _turn.Enter();
        try
        {
            if (_isClosed)
                return new(TransferStatus.Canceled, 0);
            if (_events.HasStopped)
                return new(TransferStatus.ControllerStopped, 0);
            int slots = EhciQueue.SlotsFor(stages);
            while (!_memory.Has(large: 0, slots))
                await _memory.Reserve(large: 0, slots);

            _isCanceled = false;
            _queue.Submit(stages);
            TransferStatus status = await WaitForEnd(_events.After(timeoutNs));
            if (status == TransferStatus.Completed)
                _queue.Retire();
            else
                await CleanUp(status);
            return new(_events.HasStopped && status != TransferStatus.Completed ? TransferStatus.ControllerStopped : status, _queue.BytesMoved);
        }
        finally
        {
            _turn.Leave();
        }
    }

    private async ValueTask<TransferStatus> WaitForEnd(ulong endNs)
    {
        while (true)
        {
            // Memory says whether it is done; the interrupt only says that it is worth looking.
            TransferStatus status = _queue.Examine();
            if (status != TransferStatus.None)
                return status;
            if (_events.HasStopped)
                return TransferStatus.ControllerStopped;
            if (_isClosed || _isCanceled)
                return TransferStatus.Canceled;
            if (_events.NowNs >= endNs)
                return TransferStatus.TimedOut;
            _ = await _events.Next(endNs);
        }
    }

    /// <summary>Clears away what a transfer left that did not end well.</summary>
    private async ValueTask CleanUp(TransferStatus status)
    {
        // What a translator still has of it would be taken for the answer to the next one.
        bool isUnfinished = status is TransferStatus.TimedOut or TransferStatus.Canceled or TransferStatus.NoAnswer;
        if (isUnfinished && _clearTranslator is not null && !_events.HasStopped)
            await _clearTranslator();
        if (!_isClosed)
            await Repair(keepsToggle: status is TransferStatus.TimedOut or TransferStatus.Canceled);
    }

    /// <summary>Empties the queue; for that it has to leave the list.</summary>
    private async ValueTask Repair(bool keepsToggle)
    {
        if (!await _list.Unlink(_queue))
            return;
        _queue.Repair(keepsToggle);
        _list.Link(_queue);
    }
}
