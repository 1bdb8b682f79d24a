using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The memory of a VM that has fewer frames than pages: a page gets one when it is touched, and may lose it again.</summary>
/// <remarks>
/// <code>
///                touched by the processor            asked for by a device
///   paged out ----------------------------> resident --------------------> resident, reached by devices
///             &lt;----------------------------          &lt;--------------------
///                another page needs the frame          unmapped, invalidated, device told
/// </code>
/// A touch of the processor is served at once, by the exit that it is; so the frame that it takes belongs to a page that
/// no device can reach and that nobody has pinned, and there is always one: devices reach half of the frames at the most,
/// and pins hold a quarter. What a page holds when it goes is kept, and comes back with it; a page of zeros costs nothing.
/// </remarks>
public sealed class LazyMemory
{
    /// <summary>The fewest frames that a VM can be given.</summary>
    public const int FramesMin = 16;

    private readonly FrameTable _frames;
    private readonly EptTables _tables;
    private readonly FrameOwner _owner;
    private readonly GuestMemory _memory;
    private readonly BackingStore _store;
    private readonly Dictionary<ulong, Resident> _resident = [];
    private readonly LinkedList<ulong> _order = [];

    internal LazyMemory(FrameTable frames, GuestMemory memory, BackingStore store, int framesMax) =>
        (_frames, _tables, _owner, _memory, _store, FramesMax) = (frames, memory.Tables, memory.Owner, memory, store, framesMax);

    /// <summary>How many frames the VM may have at a time.</summary>
    public int FramesMax { get; }

    /// <summary>How many frames devices may reach at a time.</summary>
    public int DeviceFramesMax => FramesMax / 2;

    /// <summary>How many pages have a frame.</summary>
    public int ResidentPages => _resident.Count;

    /// <summary>How often a page was mapped for a device and not yet taken back; a page that two devices reach counts twice.</summary>
    public int DevicePages { get; private set; }

    /// <summary>How many pages came in.</summary>
    public ulong PagedIn { get; private set; }

    /// <summary>How many pages went out.</summary>
    public ulong PagedOut { get; private set; }

    /// <summary>Gives the page of an address a frame, if it has none.</summary>
    /// <param name="address">Any address.</param>
    /// <param name="frame">Its frame.</param>
    /// <returns><c>false</c> where the address is not memory of the VM, or no frame can be had: all are pinned, or the host has none.</returns>
    public bool TryPageIn(GuestPhysicalAddress address, out PhysicalAddress frame)
    {
        frame = default;
        if (!_memory.Contains(address, 1))
            return false;
        if (_resident.TryGetValue(address.Page, out Resident? resident))
        {
            frame = resident.Frame;
            return true;
        }

        // A frame, and a table for it: either may have to be taken from another page.
        while (!TryPlace(address.Page, out frame))
        {
            if (!TryPageOutOne())
                return false;
        }

        _store.Return(address.Page, frame);
        _resident.Add(address.Page, new(frame, _order.AddLast(address.Page)));
        PagedIn++;
        return true;
    }

    /// <summary>Whether a page has a frame now.</summary>
    public bool IsResident(GuestPhysicalAddress address) => _resident.ContainsKey(address.Page);

    /// <summary>A device is about to reach a page: its frame stays.</summary>
    internal bool TryHold(GuestPhysicalAddress address, out PhysicalAddress frame)
    {
        if (DevicePages >= DeviceFramesMax || !TryPageIn(address, out frame))
        {
            frame = default;
            return false;
        }

        // A page that is on its way to another frame stays for that.
        if ((_tables.Walk(address, EptRights.Read).Rights & EptRights.Write) == 0)
            _tables.Change(address, frame, EptRights.All);
        _resident[address.Page].Devices++;
        DevicePages++;
        return true;
    }

    /// <summary>Whether a device reaches a page.</summary>
    internal bool IsHeld(GuestPhysicalAddress address) => _resident.TryGetValue(address.Page, out Resident? resident) && resident.Devices != 0;

    /// <summary>A page has another frame.</summary>
    internal void Follow(GuestPhysicalAddress address, PhysicalAddress frame) => _resident[address.Page].Frame = frame;

    /// <summary>A device cannot reach a page any more.</summary>
    internal void LetGo(GuestPhysicalAddress address)
    {
        _resident[address.Page].Devices--;
        DevicePages--;
    }

    /// <summary>Gives all frames back; EPT tables are gone already.</summary>
    internal void Release()
    {
        foreach (Resident resident in _resident.Values)
            _frames.Free(_owner, resident.Frame, FrameSize.Page4K);
        _resident.Clear();
        _order.Clear();
    }

    /// <summary>Takes the frame of a page away; no device reaches it, and nobody has pinned it.</summary>
    internal void PageOut(GuestPhysicalAddress page)
    {
        _ = _resident.Remove(page.Page, out Resident? resident);
        _order.Remove(resident!.Place);

        // Out of reach of the processor before it is read; cleared when it is given back.
        _tables.Unmap(page, FrameSize.Page4K);
        _store.Keep(page.Page, resident.Frame);
        _frames.Free(_owner, resident.Frame, FrameSize.Page4K);
        _memory.DirtyLog?.Mark(page);
        PagedOut++;
    }

    private bool TryPlace(ulong page, out PhysicalAddress frame)
    {
        frame = default;
        if (_resident.Count >= FramesMax || !_frames.TryAllocate(_owner, FrameSize.Page4K, out frame))
            return false;
        if (_tables.TryMap(new(page << 12), frame, FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack))
            return true;
        _frames.Free(_owner, frame, FrameSize.Page4K);
        return false;
    }

    // The one that came first, of those that may go; the others wait for their next turn.
    private bool TryPageOutOne()
    {
        for (int left = _order.Count; left > 0; left--)
        {
            LinkedListNode<ulong> first = _order.First!;
            Resident resident = _resident[first.Value];
            if (resident.Devices == 0 && _memory.TryLoosen(resident.Frame))
            {
                PageOut(new(first.Value << 12));
                return true;
            }

            _order.RemoveFirst();
            _order.AddLast(first);
        }

        return false;
    }

    private sealed class Resident(PhysicalAddress frame, LinkedListNode<ulong> place)
    {
        public PhysicalAddress Frame { get; set; } = frame;

        public LinkedListNode<ulong> Place => place;

        public int Devices { get; set; }
    }
}
