using System.Runtime.InteropServices;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The isochronous descriptors of all VMs in the frames that come next: each is copied for one frame, and forgotten when that is over.</summary>
/// <param name="periodic">The list they stand in.</param>
/// <param name="options">How schedules are merged.</param>
internal sealed class FrameMerge(PeriodicMerge periodic, MergeOptions options)
{
    // As many frames as can be merged ahead, the current one, and that before it, which split transactions may still need.
    private const int Kept = 32;

    private readonly Frame[] _frames = [.. Enumerable.Range(0, Kept).Select(static _ => new Frame())];
    private readonly uint[] _loadNs = new uint[8];
    private readonly uint[] _shareNs = new uint[8];

    /// <summary>Copies what the VMs have for a frame, and links it.</summary>
    /// <param name="number">The frame, counted since the controller started.</param>
    /// <param name="guests">The VMs.</param>
    public void Merge(ulong number, IReadOnlyList<CopiedGuest> guests)
    {
        Frame frame = _frames[number % Kept];
        Release(frame);
        (frame.Number, frame.Element) = (number, (int)(number % PeriodicStand.Frames));
        periodic.Budget.Loads.Slice(8 * frame.Element, 8).CopyTo(_loadNs);

        // Whose descriptors come first changes from frame to frame.
        for (int step = 0; step < guests.Count; step++)
        {
            CopiedGuest guest = guests[(int)((number + (ulong)step) % (ulong)guests.Count)];
            guest.ShareOf(frame.Element).CopyTo(_shareNs);
            frame.Begin(guest);
            guest.CopyFrame(this, frame.Number, frame.Copies);
            frame.End();
        }

        _ = Relink(frame.Element);
    }

    /// <summary>Takes time of a microframe.</summary>
    /// <returns><c>false</c> where all together, or the VM alone, would have too much.</returns>
    public bool TryTake(int microframe, uint ns)
    {
        bool fits = _loadNs[microframe] + ns <= PeriodicBudget.LimitNs && _shareNs[microframe] + ns <= options.PeriodicShareNs;
        if (!fits && !options.Skips(MergeSteps.Budget))
            return false;
        _loadNs[microframe] += ns;
        _shareNs[microframe] += ns;
        return true;
    }

    /// <summary>The copy of a siTD in the frame before.</summary>
    /// <returns>0 where there is none.</returns>
    public uint CopyBefore(ulong number, CopiedGuest guest, uint guestAddress)
    {
        Frame before = _frames[(number - 1) % Kept];
        if (number == 0 || before.Number != number - 1)
            return 0;
        foreach (FrameCopy copy in before.Of(guest))
        {
            if (copy.GuestAddress == guestAddress && copy.Type == LinkType.SplitIsochronousTransfer)
                return copy.Address;
        }

        return 0;
    }

    /// <summary>Which microframes of a descriptor are the controller's in other frames: a guest may link one into several.</summary>
    public byte ArmedElsewhere(CopiedGuest guest, uint guestAddress)
    {
        int armed = 0;
        foreach (Frame frame in _frames)
        {
            foreach (FrameCopy copy in frame.Of(guest))
                armed |= copy.GuestAddress == guestAddress ? copy.Armed : 0;
        }

        return (byte)armed;
    }

    /// <summary>The copy in a slot.</summary>
    public FrameCopy? Find(uint address)
    {
        foreach (Frame frame in _frames)
        {
            foreach (FrameCopy copy in frame.Copies)
            {
                if (copy.Address == address)
                    return copy;
            }
        }

        return null;
    }

    /// <summary>Links the copies of a frame again, since something before or behind them changed.</summary>
    /// <returns><c>false</c> where there are none.</returns>
    public bool Relink(int element)
    {
        foreach (Frame frame in _frames)
        {
            if (frame.Element != element || frame.Copies.Count == 0)
                continue;
            LinkPointer next = periodic.FirstQueue(element);
            for (int index = frame.Copies.Count - 1; index >= 0; index--)
            {
                frame.Copies[index].Link(next);
                next = frame.Copies[index].Pointer;
            }

            periodic.WriteElement(element, next);
            return true;
        }

        return false;
    }

    /// <summary>Writes back what the controller has ended.</summary>
    public void Complete()
    {
        foreach (Frame frame in _frames)
        {
            for (int index = 0; index < frame.Copies.Count; index++)
                frame.Copies[index] = frame.Copies[index].Complete();
        }
    }

    /// <summary>Puts the addresses into copies of a VM that its devices have now.</summary>
    public void WriteEndpoints(CopiedGuest guest)
    {
        foreach (Frame frame in _frames)
        {
            foreach (FrameCopy copy in frame.Of(guest))
                copy.WriteEndpoint();
        }
    }

    /// <summary>Frees the copies of frames that are over.</summary>
    /// <param name="current">The frame that is on.</param>
    public void Retire(ulong current)
    {
        foreach (Frame frame in _frames)
        {
            // Complete-splits of a frame may come in the next one.
            if (frame.Copies.Count == 0 || frame.Number + 2 > current)
                continue;
            periodic.WriteElement(frame.Element, periodic.FirstQueue(frame.Element));
            Release(frame);
        }
    }

    /// <summary>Unlinks all copies of a VM.</summary>
    /// <returns>Whether there are any; <see cref="Release(CopiedGuest)"/> frees them once the controller holds them no more.</returns>
    public bool Unlink(CopiedGuest guest)
    {
        bool isAny = false;
        foreach (Frame frame in _frames)
        {
            isAny |= frame.TakeOut(guest);
            if (frame.Leaving.Count != 0 && !Relink(frame.Element))
                periodic.WriteElement(frame.Element, periodic.FirstQueue(frame.Element));
        }

        return isAny;
    }

    /// <summary>Frees the copies of a VM that were unlinked.</summary>
    public void Release(CopiedGuest guest)
    {
        foreach (Frame frame in _frames)
        {
            for (int index = frame.Leaving.Count - 1; index >= 0; index--)
            {
                if (frame.Leaving[index].Guest != guest)
                    continue;
                frame.Leaving[index].Complete().Return();
                frame.Leaving.RemoveAt(index);
            }
        }
    }

    private static void Release(Frame frame)
    {
        foreach (FrameCopy copy in frame.Copies)
            copy.Complete().Return();
        frame.Clear();
    }

    /// <summary>A frame with its copies: those of a VM stand together, so that what is asked of one VM costs nothing for the others.</summary>
    private sealed class Frame
    {
        private readonly Dictionary<CopiedGuest, Range> _parts = [];
        private CopiedGuest? _adding;
        private int _start;

        public ulong Number { get; set; } = ulong.MaxValue;

        public int Element { get; set; } = -1;

        public List<FrameCopy> Copies { get; } = [];

        public List<FrameCopy> Leaving { get; } = [];

        /// <summary>The copies of a VM.</summary>
        public ReadOnlySpan<FrameCopy> Of(CopiedGuest guest) => CollectionsMarshal.AsSpan(Copies)[PartOf(guest)];

        /// <summary>What is added from here on is a VM's.</summary>
        public void Begin(CopiedGuest guest) => (_adding, _start) = (guest, Copies.Count);

        /// <summary>All of it has been added.</summary>
        public void End()
        {
            if (Copies.Count > _start)
                _parts[_adding!] = _start..Copies.Count;
            _adding = null;
        }

        /// <summary>Lets the copies of a VM leave.</summary>
        /// <returns>Whether there are any.</returns>
        public bool TakeOut(CopiedGuest guest)
        {
            Range part = PartOf(guest);
            (int start, int count) = part.GetOffsetAndLength(Copies.Count);
            if (count == 0)
                return false;
            Leaving.AddRange(CollectionsMarshal.AsSpan(Copies)[part]);
            Copies.RemoveRange(start, count);
            _ = _parts.Remove(guest);
            foreach ((CopiedGuest other, Range place) in _parts)
            {
                if (place.Start.Value > start)
                    _parts[other] = (place.Start.Value - count)..(place.End.Value - count);
            }

            return true;
        }

        /// <summary>There are none any more.</summary>
        public void Clear()
        {
            Copies.Clear();
            _parts.Clear();
        }

        private Range PartOf(CopiedGuest guest) => guest == _adding ? _start..Copies.Count : _parts.GetValueOrDefault(guest, 0..0);
    }
}
