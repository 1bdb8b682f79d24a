using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The periodic list: what the controller does in each frame, in this order.</summary>
/// <remarks>
/// <code>
/// frame list            isochronous, of this frame alone    interrupt queues, the rarest first
/// [   0 ]  ---------->  iTD -> siTD  -------------------->  QH every 32 -> QH every 4 -> QH every 1
/// [   1 ]  ------------------------------------------------------------->  QH every 8 -> the same
/// ...
/// [1023 ]
/// </code>
/// A queue stands in many frames, and has one link. That works because behind a queue of some period stand only queues of
/// the same or shorter periods, and all frames that hold the first one hold the same of those.
/// </remarks>
internal sealed class EhciPeriodicList : IEhciList
{
    /// <summary>Elements of the frame list.</summary>
    public const int Frames = 1024;

    private const int Phases = EhciBandwidth.Frames;
    private const ulong FrameNs = 1_000_000;
    private const ulong MicroframeNs = 125_000;

    private readonly IDevice _device;
    private readonly EhciRegisters _registers;
    private readonly EhciMemory _memory;
    private readonly EhciEvents _events;
    private readonly int _frameList;
    private readonly List<EhciQueue>[] _queues = new List<EhciQueue>[Phases];
    private readonly List<(int Offset, LinkType Type)>[] _isochronous = new List<(int, LinkType)>[Frames];

    private EhciPeriodicList(IDevice device, EhciRegisters registers, EhciMemory memory, EhciEvents events, int frameList)
    {
        (_device, _registers, _memory, _events, _frameList) = (device, registers, memory, events, frameList);
        for (int phase = 0; phase < Phases; phase++)
            _queues[phase] = [];
        for (int frame = 0; frame < Frames; frame++)
        {
            _isochronous[frame] = [];
            WriteElement(frame);
        }
    }

    /// <summary>Who has which part of the time.</summary>
    public EhciBandwidth Bandwidth { get; } = new();

    /// <summary>The frame that is on now, counted modulo 2048; all ones of a controller that is gone are one, too.</summary>
    public int CurrentFrame => _registers.FrameIndex.Value >> 3;

    /// <summary>Starts an empty list.</summary>
    /// <exception cref="DriverException">No memory, or the controller does not react.</exception>
    public static async ValueTask<EhciPeriodicList> Start(IDevice device, EhciRegisters registers, EhciMemory memory, EhciEvents events)
    {
        int frameList = await memory.AllocateFrameList();
        EhciPeriodicList list = new(device, registers, memory, events, frameList);
        registers.PeriodicListBase = memory.Address(frameList);
        registers.Command = registers.Command with { PeriodicEnable = true };
        for (int waited = 0; !registers.Status.PeriodicActive; waited++)
        {
            if (waited == 160)
                throw new DriverException(DriverFailure.ControllerTimeout, "The controller did not start its periodic schedule.");
            await device.Processor.Delay(MicroframeNs);
        }

        return list;
    }

    /// <inheritdoc/>
    public void Link(EhciQueue queue)
    {
        for (int phase = queue.Place.Frame; phase < Phases; phase += queue.Place.Period)
        {
            List<EhciQueue> queues = _queues[phase];
            int index = queues.FindIndex(other => other.Place.Period <= queue.Place.Period);
            index = index < 0 ? queues.Count : index;

            // The new one points on before anything points at it; in each frame it is the same link.
            queue.PointTo(index < queues.Count ? queues[index].Link : End);
            queues.Insert(index, queue);
            LinkBefore(phase, index);
        }
    }

    /// <inheritdoc/>
    /// <remarks>There is no doorbell here: after a frame the controller has begun anew at the frame list.</remarks>
    public async ValueTask<bool> Unlink(EhciQueue queue)
    {
        if (_events.HasStopped)
            return false;
        for (int phase = queue.Place.Frame; phase < Phases; phase += queue.Place.Period)
        {
            int index = _queues[phase].IndexOf(queue);
            _queues[phase].RemoveAt(index);
            LinkBefore(phase, index);
        }

        await WaitUntilPassed();
        return !_events.HasStopped;
    }

    /// <summary>Puts an isochronous descriptor into a frame, before what is there.</summary>
    /// <param name="frame">0 to 1023.</param>
    /// <param name="offset">The descriptor; its first doubleword becomes the link.</param>
    /// <param name="type">What it is.</param>
    public void LinkIsochronous(int frame, int offset, LinkType type)
    {
        _memory.Write(offset, FirstOf(frame));
        _isochronous[frame].Insert(0, (offset, type));
        WriteElement(frame);
    }

    /// <summary>Takes an isochronous descriptor off a frame that has passed.</summary>
    public void UnlinkIsochronous(int frame, int offset)
    {
        List<(int Offset, LinkType Type)> list = _isochronous[frame];
        int index = list.FindIndex(entry => entry.Offset == offset);
        list.RemoveAt(index);
        LinkPointer next = index < list.Count ? LinkTo(list[index]) : FirstQueue(frame % Phases);
        if (index == 0)
            WriteElement(frame);
        else
            _memory.Write(list[index - 1].Offset, next);
    }

    /// <summary>Waits until the controller cannot stand on anything any more that was taken off.</summary>
    public ValueTask WaitUntilPassed() => _device.Processor.Delay(2 * FrameNs);

    /// <summary>Waits until a point in time, in nanoseconds since power-on.</summary>
    public async ValueTask WaitUntil(ulong timeNs)
    {
        if (timeNs > _events.NowNs)
            await _device.Processor.Delay(timeNs - _events.NowNs);
    }

    private static LinkPointer End => new() { Terminate = true };

    private LinkPointer LinkTo((int Offset, LinkType Type) entry) => new() { Type = entry.Type, Address = _memory.Address(entry.Offset) };

    private LinkPointer FirstQueue(int phase) => _queues[phase].Count != 0 ? _queues[phase][0].Link : End;

    private LinkPointer FirstOf(int frame) =>
        _isochronous[frame].Count != 0 ? LinkTo(_isochronous[frame][0]) : FirstQueue(frame % Phases);

    private void WriteElement(int frame) => _memory.Write(_frameList + 4 * frame, FirstOf(frame));

    // What stands before the place of a queue, a queue or each frame of the phase, points at what is there now.
    private void LinkBefore(int phase, int index)
    {
        LinkPointer next = index < _queues[phase].Count ? _queues[phase][index].Link : End;
        if (index != 0)
        {
            _queues[phase][index - 1].PointTo(next);
            return;
        }

        for (int frame = phase; frame < Frames; frame += Phases)
        {
            if (_isochronous[frame].Count == 0)
                WriteElement(frame);
            else
                _memory.Write(_isochronous[frame][^1].Offset, next);
        }
    }
}
