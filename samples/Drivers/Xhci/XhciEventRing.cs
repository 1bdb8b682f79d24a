using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The ring on which the controller says what happened: one segment, and a table with one entry that leads to it.</summary>
internal sealed class XhciEventRing
{
    private const int Trbs = 1024;

    private readonly XhciRegisters _registers;
    private readonly CoherentBuffer _ring;
    private int _dequeue;
    private bool _cycle = true;

    private XhciEventRing(XhciRegisters registers, CoherentBuffer ring) => (_registers, _ring) = (registers, ring);

    /// <summary>Gives the controller a ring; it must be halted.</summary>
    /// <exception cref="DriverException">There is no memory for it.</exception>
    public static async ValueTask<XhciEventRing> Start(XhciRegisters registers, XhciMemory memory)
    {
        CoherentBuffer buffer = await memory.Allocate(Trbs * Trb.Size);
        CoherentBuffer table = await memory.Allocate(EventRingSegment.Size);
        table.Write(0, new EventRingSegment { Address = buffer.Address, TrbCount = Trbs });

        // The table last: writing its address is what starts the ring.
        registers.EventSegments = 1;
        registers.EventDequeue = new() { Pointer = buffer.Address };
        registers.EventTable = new() { Address = table.Address };
        return new(registers, buffer);
    }

    /// <summary>Takes the next event.</summary>
    /// <returns><c>false</c> where there is none.</returns>
    public bool TryTake(out Trb trb)
    {
        trb = new(_ring.Read<Bits128>(_dequeue * Trb.Size));
        if (trb.Cycle != _cycle)
            return false;
        if (++_dequeue == Trbs)
            (_dequeue, _cycle) = (0, !_cycle);
        return true;
    }

    /// <summary>Tells the controller how far events were taken; from then on new ones interrupt again.</summary>
    public void Release() => _registers.EventDequeue = new() { Pointer = _ring.Address + (ulong)(_dequeue * Trb.Size), Busy = true };
}
