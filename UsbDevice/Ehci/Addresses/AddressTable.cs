namespace Dma.UsbDevice;

/// <summary>Which address on the bus each device of each register set has.</summary>
/// <remarks>
/// An address stays taken as long as a device may answer to it. A port that is reset, or through which nothing passes any
/// more, makes sure that none does: so the table also holds where devices are, and frees by place.
/// </remarks>
/// <param name="options">How addresses are chosen.</param>
/// <param name="setCount">How many register sets there are.</param>
public sealed class AddressTable(AddressOptions options, int setCount)
{
    private const int Count = UsbBus.AddressCount;
    private const int PlacesMax = 2 * Count;

    private readonly byte[] _real = new byte[setCount * Count];
    private readonly AddressEntry[] _entries = new AddressEntry[Count];
    private readonly List<(byte Real, DevicePlace Place)> _places = new(PlacesMax);

    /// <summary>Who is told of changes, or null.</summary>
    public IBusShareObserver? Observer { get; set; }

    /// <summary>Called when a device lost an address that it had: its register set, the address that its driver knew, and that on the bus.</summary>
    public Action<int, byte, byte>? Freed { get; set; }

    /// <summary>How many bits of an address a driver chooses itself, where ranges are fixed: each set has as many addresses as fit.</summary>
    public int StaticBits { get; } = int.Log2(Count / setCount);

    /// <summary>Whose an address on the bus is.</summary>
    /// <param name="real">The address, 1 to 127.</param>
    public AddressEntry EntryOf(byte real) => _entries[real];

    /// <summary>The address on the bus of a device.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="virtualAddress">The address that its driver knows.</param>
    /// <returns>0 where no device has it.</returns>
    public byte Find(int set, byte virtualAddress) => _real[(set * Count) + virtualAddress];

    /// <summary>Takes an address for a device that is about to be given one.</summary>
    /// <param name="set">The register set.</param>
    /// <param name="virtualAddress">What its driver asks for, 1 to 127.</param>
    /// <param name="granted">What software grants, where it chooses.</param>
    /// <returns>0 where none is free, or none allowed.</returns>
    public byte Reserve(int set, byte virtualAddress, byte granted)
    {
        // Its driver gives out the same address again: as on a bus of its own, two devices have it if the first is still there.
        byte known = Find(set, virtualAddress);
        if (known != 0)
            return known;
        byte real = options.Assignment switch
        {
            AddressAssignment.Static => virtualAddress < 1 << StaticBits ? (byte)((set << StaticBits) | virtualAddress) : (byte)0,
            AddressAssignment.Software => granted,
            _ => LowestFree(),
        };
        if (real == 0 || _entries[real].State != AddressState.Free || CountOf(set) >= options.AddressesMax)
            return 0;
        Change(real, new(AddressState.Pending, set, virtualAddress));
        return real;
    }

    /// <summary>The device has the address. Where there is no room to keep its place, it has it until its set is reset.</summary>
    public void Commit(byte real, DevicePlace place)
    {
        AddressEntry entry = _entries[real];
        Change(real, entry with { State = AddressState.Live });
        _real[(entry.Set * Count) + entry.Virtual] = real;
        if (_places.Count < PlacesMax)
            _places.Add((real, place));
    }

    /// <summary>The device did not take the address.</summary>
    public void Cancel(byte real)
    {
        if (_entries[real].State == AddressState.Pending)
            Free(real);
    }

    /// <summary>A device that had an address has another one, or none but 0.</summary>
    /// <param name="from">The address on the bus that it had.</param>
    /// <param name="to">The one that it has; 0 for none.</param>
    public void Move(byte from, byte to)
    {
        if (from == to)
            return;
        int index = _places.FindIndex(entry => entry.Real == from);
        DevicePlace place = index < 0 ? DevicePlace.Anywhere : _places[index].Place;
        if (index >= 0)
            _places.RemoveAt(index);
        for (int at = 0; at < _places.Count; at++)
        {
            if (_places[at].Place.Hub == from && to != 0)
                _places[at] = (_places[at].Real, _places[at].Place with { Hub = to });
        }

        if (to != 0)
            Commit(to, place);
        _ = FreeUnlessUsed(from);
    }

    /// <summary>Where a device is.</summary>
    public DevicePlace PlaceOf(byte real)
    {
        int index = _places.FindIndex(entry => entry.Real == real);
        return index < 0 ? DevicePlace.Anywhere : _places[index].Place;
    }

    /// <summary>Nothing behind a root port has an address any more.</summary>
    public void FreePort(int port) => FreeWhere(place => place.Port == port);

    /// <summary>Nothing behind the port of a hub has an address any more.</summary>
    public void FreeHubPort(byte hub, byte port) => FreeWhere(place => place.Hub == hub && place.HubPort == port);

    /// <summary>Nothing of a register set has an address any more.</summary>
    public void FreeSet(int set)
    {
        for (int index = _places.Count - 1; index >= 0; index--)
        {
            if (_entries[_places[index].Real].Set == set)
                _places.RemoveAt(index);
        }

        for (int real = 1; real < Count; real++)
        {
            if (_entries[real] is { State: not AddressState.Free } entry && entry.Set == set)
                Free((byte)real);
        }
    }

    private void FreeWhere(Predicate<DevicePlace> isGone)
    {
        for (int index = _places.Count - 1; index >= 0; index--)
        {
            (byte real, DevicePlace place) = _places[index];
            if (!isGone(place))
                continue;
            _places.RemoveAt(index);
            if (!FreeUnlessUsed(real))
                continue;

            // What was behind it is gone with it.
            FreeWhere(other => other.Hub == real);
            index = Math.Min(index, _places.Count);
        }
    }

    private bool FreeUnlessUsed(byte real)
    {
        bool isFree = !_places.Exists(entry => entry.Real == real);
        if (isFree)
            Free(real);
        return isFree;
    }

    private void Free(byte real)
    {
        AddressEntry entry = _entries[real];
        ref byte known = ref _real[(entry.Set * Count) + entry.Virtual];
        if (known == real)
            known = 0;
        _entries[real] = default;
        Observer?.AddressChanged(new(real, entry with { State = AddressState.Free }));
        if (entry.State == AddressState.Live)
            Freed?.Invoke(entry.Set, entry.Virtual, real);
    }

    private void Change(byte real, AddressEntry entry)
    {
        _entries[real] = entry;
        Observer?.AddressChanged(new(real, entry));
    }

    private byte LowestFree()
    {
        for (int real = 1; real < Count; real++)
        {
            if (_entries[real].State == AddressState.Free)
                return (byte)real;
        }

        return 0;
    }

    private int CountOf(int set)
    {
        int count = 0;
        foreach (AddressEntry entry in _entries)
            count += entry.State != AddressState.Free && entry.Set == set ? 1 : 0;
        return count;
    }
}
