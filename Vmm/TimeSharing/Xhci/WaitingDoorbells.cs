using System.Numerics;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>Doorbells that a VM rang while it has no turn: a bell that rings twice rings once.</summary>
/// <param name="slots">How many slots the controller has.</param>
internal sealed class WaitingDoorbells(int slots)
{
    // Of streams, all slots together; the controller itself forgets more than 64 of an endpoint.
    private const int StreamsMax = 4096;

    private readonly uint[] _targets = new uint[slots + 1];
    private readonly List<(int Slot, XhciDoorbell Doorbell)> _streams = [];

    /// <summary>Whether any rang.</summary>
    public bool Any { get; private set; }

    /// <summary>One rings.</summary>
    /// <param name="slot">The slot, or 0 for the command ring; one that is not there has no bell.</param>
    /// <param name="doorbell">What was written.</param>
    public void Ring(int slot, XhciDoorbell doorbell)
    {
        bool isThere = slot == 0 ? doorbell.Target == 0 : slot <= slots && doorbell.Target is > 0 and < ContextIndex.Count;
        if (!isThere)
            return;
        if (doorbell.Stream == 0)
            _targets[slot] |= 1u << doorbell.Target;
        else if (_streams.Count < StreamsMax && !_streams.Contains((slot, doorbell)))
            _streams.Add((slot, doorbell));
        Any = true;
    }

    /// <summary>The command ring has stopped: its bell has not rung.</summary>
    public void ForgetCommands() => _targets[0] = 0;

    /// <summary>None rang.</summary>
    public void Clear()
    {
        Array.Clear(_targets);
        _streams.Clear();
        Any = false;
    }

    /// <summary>Rings them, endpoints first: a command that stops one comes after its work, as software has it.</summary>
    /// <param name="ring">How.</param>
    public void RingAll(Action<int, XhciDoorbell> ring)
    {
        for (int slot = 1; slot <= slots; slot++)
        {
            for (uint left = _targets[slot]; left != 0; left &= left - 1)
                ring(slot, new() { Target = (byte)BitOperations.TrailingZeroCount(left) });
        }

        foreach ((int slot, XhciDoorbell doorbell) in _streams)
            ring(slot, doorbell);
        if (_targets[0] != 0)
            ring(0, default);
        Clear();
    }
}
