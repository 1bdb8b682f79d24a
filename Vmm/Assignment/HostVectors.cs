using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The interrupt vectors of the host that devices of guests raise: each of them wakes one task of the VMM.</summary>
/// <remarks>They belong to processors of the host other than the one that runs the VMM's own software, 208 vectors each.</remarks>
/// <param name="router">Where interrupt messages of the host arrive.</param>
internal sealed class HostVectors(InterruptRouter router)
{
    private const byte FirstVector = 32;
    private const byte LastVector = 239;
    private const byte FirstProcessor = 1;
    private const byte LastProcessor = 254;

    private readonly Queue<MessageInterrupt> _returned = new();
    private readonly Queue<byte> _returnedProcessors = new();
    private byte _nextProcessor = FirstProcessor;
    private byte _processor = FirstProcessor;
    private byte _vector = FirstVector;

    /// <summary>Takes a vector; <c>false</c> when none is left.</summary>
    /// <param name="message">The message that raises it.</param>
    /// <param name="signal">What it raises; nothing is pending.</param>
    public bool TryTake(out MessageInterrupt message, out Signal signal)
    {
        if (!_returned.TryDequeue(out message))
        {
            if (_processor > LastProcessor)
            {
                signal = null!;
                return false;
            }

            message = MessageInterrupt.To(_processor, _vector);
            (_processor, _vector) = _vector == LastVector ? ((byte)(_processor + 1), FirstVector) : (_processor, (byte)(_vector + 1));
        }

        signal = router.Connect(message.Destination, message.Vector);
        signal.Clear();
        return true;
    }

    /// <summary>Takes a processor, which nobody else is given, for vectors beyond those of devices; <c>false</c> when none is left.</summary>
    public bool TryTakeProcessor(out byte processor)
    {
        if (_returnedProcessors.TryDequeue(out processor))
            return true;
        processor = _nextProcessor;
        if (processor > LastProcessor)
            return false;
        _nextProcessor++;
        return true;
    }

    /// <summary>Gives a processor back.</summary>
    public void ReturnProcessor(byte processor) => _returnedProcessors.Enqueue(processor);

    /// <summary>Gives a vector back; the device that had it must not send it any more.</summary>
    public void Return(MessageInterrupt message) => _returned.Enqueue(message);
}
