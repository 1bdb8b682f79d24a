using Dma.Machine;

namespace Dma.Lab;

/// <summary>What the manual says about an event of a unit: pending, masked, sent (VT-d, 3.5 of the reference).</summary>
/// <remarks>Written again from the manual, so that the unit under test cannot vouch for itself.</remarks>
internal sealed class EventModel
{
    private readonly List<RecordedInterrupt> _sent = [];
    private bool _isMasked = true;

    /// <summary>Whether an event waits for the mask to go.</summary>
    public bool IsPending { get; private set; }

    /// <summary>The data, address and upper address registers, as software wrote them.</summary>
    public (uint Data, uint Low, uint High) Message { get; set; }

    /// <summary>The control register.</summary>
    public ulong Control => (_isMasked ? 1ul << 31 : 0) | (IsPending ? 1ul << 30 : 0);

    /// <summary>The messages since this was last asked.</summary>
    public IReadOnlyList<RecordedInterrupt> Take()
    {
        RecordedInterrupt[] sent = [.. _sent];
        _sent.Clear();
        return sent;
    }

    /// <summary>A new condition.</summary>
    public void Raise()
    {
        IsPending = true;
        Send();
    }

    /// <summary>All conditions are gone.</summary>
    public void Withdraw() => IsPending = false;

    /// <summary>The control register is written.</summary>
    public void Mask(bool isMasked)
    {
        _isMasked = isMasked;
        Send();
    }

    private void Send()
    {
        if (!IsPending || _isMasked)
            return;
        IsPending = false;
        MessageInterrupt message = new(((ulong)Message.High << 32) | (Message.Low & ~3u), (ushort)Message.Data);
        if (InterruptRange.Contains(Message.Low))
            _sent.Add(RecordedInterrupt.Of(message));
    }
}
