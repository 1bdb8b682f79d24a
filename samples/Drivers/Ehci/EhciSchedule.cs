using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The asynchronous list: a ring of queue heads, of which the first serves nobody and marks the start.</summary>
internal sealed class EhciSchedule
{
    private readonly EhciRegisters _registers;
    private readonly List<EhciPipe> _ring = [];

    /// <summary>A ring of the head alone, and the controller pointed at it; the schedule must be off.</summary>
    public EhciSchedule(EhciRegisters registers, EhciMemory memory)
    {
        _registers = registers;
        _ring.Add(EhciPipe.Head(memory));
        registers.Segment = memory.Segment;
        registers.AsyncListAddress = memory.Address(_ring[0].Offset);
    }

    /// <summary>Whether a queue head is in the ring.</summary>
    public bool Contains(EhciPipe pipe) => _ring.Contains(pipe);

    /// <summary>Puts a queue head into the ring, behind the head.</summary>
    public void Link(EhciPipe pipe)
    {
        // The new one points on before anything points at it.
        pipe.PointTo(_ring.Count > 1 ? _ring[1] : _ring[0]);
        _ring[0].PointTo(pipe);
        _ring.Insert(1, pipe);
    }

    /// <summary>Takes a queue head out of the ring and rings the doorbell.</summary>
    /// <remarks>
    /// Its own link stays as it is, so that a controller that stands on it finds the way back. Until the doorbell is
    /// answered the controller may still use it.
    /// </remarks>
    public void Unlink(EhciPipe pipe)
    {
        int index = _ring.IndexOf(pipe);
        _ring[index - 1].PointTo(_ring[(index + 1) % _ring.Count]);
        _ring.RemoveAt(index);
        UsbCommand command = _registers.Command;
        _registers.Command = command with { AsyncAdvanceDoorbell = true };
    }
}
