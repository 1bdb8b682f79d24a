using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Requests that do not go out before software has decided on them, and the list of what software is asked and told: one request of each device at a time.</summary>
/// <remarks>
/// A request is known by its register set and the address that the driver gave the device. While software has not confirmed
/// what it was told of one, the next one of the same device is held, so that it never learns things out of order. An answer
/// that nobody comes for, since the driver gave up, does not count for long.
/// </remarks>
/// <param name="loop">The time.</param>
/// <param name="setCount">Register sets.</param>
internal sealed class HeldRequests(EventLoop loop, int setCount)
{
    private const ulong UntakenNsMax = 10_000_000;

    private readonly HeldRequest[] _held = new HeldRequest[setCount * UsbBus.AddressCount];
    private readonly bool[] _isListed = new bool[setCount * UsbBus.AddressCount];
    private readonly Queue<int> _list = new();

    /// <summary>Called when something new is on the list.</summary>
    public Action? Listed { get; set; }

    /// <summary>The request of a device.</summary>
    public HeldRequest this[int set, byte address] => _held[IndexOf(set, address)];

    /// <summary>What software is to look at next.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="address">The device, as its driver calls it.</param>
    /// <returns><c>false</c> where there is nothing.</returns>
    public bool TryNext(out int set, out byte address)
    {
        while (_list.TryPeek(out int index))
        {
            (set, address) = (index / UsbBus.AddressCount, (byte)(index % UsbBus.AddressCount));
            if (_held[index].State is HeldState.Asked or HeldState.Done or HeldState.Dropped or HeldState.Gone)
                return true;
            TakeNext();
        }

        (set, address) = (-1, 0);
        return false;
    }

    /// <summary>Software has seen what is next on the list, and will answer it.</summary>
    public void TakeNext()
    {
        if (_list.TryDequeue(out int index))
            _isListed[index] = false;
    }

    /// <summary>Software's answer to a question, or that it knows what it was told.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="address">The device, as its driver calls it.</param>
    /// <param name="seen">What software saw; where it is something else by now, nothing happens.</param>
    /// <param name="answer">The answer to a question.</param>
    public void Answer(int set, byte address, HeldState seen, byte answer)
    {
        int index = IndexOf(set, address);
        ref HeldRequest held = ref _held[index];
        if (held.State != seen)
            return;
        if (seen == HeldState.Asked)
        {
            held = held with { State = HeldState.Answered, Answer = answer, AnsweredNs = loop.NowNs };
            HeldRequest answered = held;
            _ = loop.Schedule(UntakenNsMax, () => GiveUp(index, answered));
        }
        else if (seen is HeldState.Done or HeldState.Dropped or HeldState.Gone)
            held = default;
    }

    /// <summary>Whether a request has to wait for software, which is asked where it was not.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="token">Its SETUP token, as its driver meant it.</param>
    /// <param name="setup">The request.</param>
    /// <param name="isFollowed">Whether software is to be told what becomes of it.</param>
    /// <param name="isNew">Whether this is a new question.</param>
    public bool Holds(int set, in UsbToken token, in SetupPacket setup, bool isFollowed, out bool isNew)
    {
        isNew = false;
        int index = IndexOf(set, token.Address);
        ref HeldRequest held = ref _held[index];
        if (held.State == HeldState.Answered && held.Setup == setup)
            return false;

        // The driver gave the one before up; where it was granted, software hears of that first.
        if (held.State is HeldState.Answered or HeldState.Sent)
            GiveUp(index, held);
        if (held.State != HeldState.None)
            return true;
        held = new(HeldState.Asked, setup, token.IsSplit, isFollowed);
        isNew = true;
        List(index);
        return true;
    }

    /// <summary>A request is about to go out.</summary>
    /// <returns>Software's answer; 0 where it refused, or was not asked about this one.</returns>
    public byte Take(int set, byte address, in SetupPacket setup)
    {
        ref HeldRequest held = ref _held[IndexOf(set, address)];
        if (held.State != HeldState.Answered || held.Setup != setup)
            return 0;
        byte answer = held.Answer;
        held = held.IsFollowed && answer != 0 ? held with { State = HeldState.Sent } : default;
        return answer;
    }

    /// <summary>Another request goes out: one of the same device that has not ended never will.</summary>
    public void GiveUp(int set, byte address, in SetupPacket next)
    {
        int index = IndexOf(set, address);
        HeldRequest held = _held[index];
        if (held.State == HeldState.Sent || (held is { State: HeldState.Answered, IsFollowed: true } && held.Setup != next))
            GiveUp(index, held);
    }

    /// <summary>A request that went out is over.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="address">The device, as its driver calls it.</param>
    /// <param name="isDone">Whether the device has done it.</param>
    public void Ended(int set, byte address, bool isDone)
    {
        int index = IndexOf(set, address);
        if (_held[index].State == HeldState.Sent)
            Tell(index, isDone ? HeldState.Done : HeldState.Dropped);
    }

    /// <summary>No device of the set has an address any more.</summary>
    public void Lose(int set, byte address) => Tell(IndexOf(set, address), HeldState.Gone);

    /// <summary>Forgets all requests of a set, or those alone that software is not told of.</summary>
    public void Clear(int set, bool isFollowed)
    {
        foreach (ref HeldRequest held in _held.AsSpan(set * UsbBus.AddressCount, UsbBus.AddressCount))
        {
            if (isFollowed || held is { State: HeldState.Asked or HeldState.Answered, IsFollowed: false })
                held = default;
        }
    }

    private static int IndexOf(int set, byte address) => (set * UsbBus.AddressCount) + address;

    // Software is told where it let the request go out.
    private void GiveUp(int index, in HeldRequest given)
    {
        if (_held[index] != given)
            return;
        if (given is { IsFollowed: true, Answer: not 0 })
            Tell(index, HeldState.Dropped);
        else
            _held[index] = default;
    }

    private void Tell(int index, HeldState state)
    {
        _held[index] = _held[index] with { State = state };
        List(index);
    }

    private void List(int index)
    {
        if (!_isListed[index])
        {
            _isListed[index] = true;
            _list.Enqueue(index);
        }

        Listed?.Invoke();
    }
}
