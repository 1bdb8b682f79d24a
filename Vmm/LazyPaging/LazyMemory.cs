using System.Diagnostics.CodeAnalysis;
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
    private readonly ulong _bytes;
    private readonly Dictionary<ulong, Resident> _resident = [];
    private readonly Queue<ulong> _order = [];
    private readonly Dictionary<ulong, byte[]> _pagedOut = [];

    internal LazyMemory(FrameTable frames, EptTables tables, FrameOwner owner, ulong bytes, int framesMax) =>
        (_frames, _tables, _owner, _bytes, FramesMax) = (frames, tables, owner, bytes, framesMax);

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
        if (!GuestMemory.Contains(_bytes, address, 1))
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

        if (_pagedOut.Remove(address.Page, out byte[]? bytes))
            _ = _frames.Memory.TryWrite(frame, bytes);
        _resident.Add(address.Page, new(frame));
        _order.Enqueue(address.Page);
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

        _resident[address.Page].Devices++;
        DevicePages++;
        return true;
    }

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
        _pagedOut.Clear();
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
            ulong page = _order.Dequeue();
            Resident resident = _resident[page];
            if (resident.Devices != 0 || _frames.PinsOf(resident.Frame) != 0)
            {
                _order.Enqueue(page);
                continue;
            }

            // Out of reach of the processor before it is read; cleared when it is given back.
            _tables.Unmap(new(page << 12), FrameSize.Page4K);
            if (TryKeep(resident.Frame, out byte[]? bytes))
                _pagedOut.Add(page, bytes);
            _frames.Free(_owner, resident.Frame, FrameSize.Page4K);
            _ = _resident.Remove(page);
            PagedOut++;
            return true;
        }

        return false;
    }

    private bool TryKeep(PhysicalAddress frame, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = new byte[FrameSize.Page4K.Bytes];
        _ = _frames.Memory.TryRead(frame, bytes);
        if (bytes.AsSpan().ContainsAnyExcept((byte)0))
            return true;
        bytes = null;
        return false;
    }

    private sealed class Resident(PhysicalAddress frame)
    {
        public PhysicalAddress Frame => frame;

        public int Devices { get; set; }
    }
}
