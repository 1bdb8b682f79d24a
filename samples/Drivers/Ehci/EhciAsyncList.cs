using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The asynchronous list: a ring of queue heads, of which the first serves nobody and marks the start.</summary>
internal sealed class EhciAsyncList : IEhciList
{
    private readonly EhciRegisters _registers;
    private readonly EhciEvents _events;
    private readonly Gate _doorbell = new();
    private readonly List<EhciQueue> _ring = [];

    /// <summary>A ring of the head alone, and the controller pointed at it; the schedule must be off.</summary>
    public EhciAsyncList(EhciRegisters registers, EhciMemory memory, EhciEvents events)
    {
        (_registers, _events) = (registers, events);
        _ring.Add(EhciQueue.Head(memory));
        registers.Segment = memory.Segment;
        registers.AsyncListAddress = memory.Address(_ring[0].Offset);
    }

    /// <inheritdoc/>
    public void Link(EhciQueue queue)
    {
        // The new one points on before anything points at it.
        queue.PointTo(_ring.Count > 1 ? _ring[1] : _ring[0]);
        _ring[0].PointTo(queue);
        _ring.Insert(1, queue);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The link of the queue head itself stays as it is, so that a controller that stands on it finds the way back. Until
    /// the doorbell is answered the controller may still use it. There is one doorbell: one at a time.
    /// </remarks>
    public async ValueTask<bool> Unlink(EhciQueue queue)
    {
        await _doorbell.Enter();
        try
        {
            int index = _ring.IndexOf(queue);
            if (_events.HasStopped || index < 0)
                return false;
            _ring[index - 1].PointTo(_ring[(index + 1) % _ring.Count]);
            _ring.RemoveAt(index);
            UsbCommand command = _registers.Command;
            _registers.Command = command with { AsyncAdvanceDoorbell = true };
            return await WaitForAnswer();
        }
        finally
        {
            _doorbell.Leave();
        }
    }

    private async ValueTask<bool> WaitForAnswer()
    {
        ulong endNs = _events.After(EhciDriver.AnswerNsMax);
        while (!_events.HasStopped)
        {
            // The doorbell clears when it is answered; that also helps where the interrupt is lost.
            bool isAnswered = await _events.Next(ulong.MaxValue);
            if (isAnswered || !_registers.Command.AsyncAdvanceDoorbell)
                return !_events.HasStopped;
            if (_events.NowNs >= endNs)
                _events.Stop();
        }

        return false;
    }
}
