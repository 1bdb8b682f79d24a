using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The way of an interrupt request: what a device may raise, and where, is what the table says (VT-d, interrupt remapping).</summary>
/// <remarks>
/// <code>
///    address  31    20 19        5  4   3   2          data  31     16 15       0
///            +--------+-----------+---+---+---+             +---------+----------+
///            |  FEEh  |  handle   | 1 |SHV| h |             |    0    | subhandle|
///            +--------+-----------+---+---+---+             +---------+----------+
///                          |                |                            |
///                          +------ + -------+---- + if SHV --------------+
///                                  |
///                                  v  index            IRTA
///                          entry of the table: whose request it must be, and
///                          either the message that goes on, or where it is posted
/// </code>
/// Only a unit that has a table uses one: while remapping is off, requests pass as they are.
/// </remarks>
internal sealed class InterruptRemapper
{
    private readonly PhysicalMemory _memory;
    private readonly HardwareProfile _profile;
    private readonly InterruptEntryCache _cache;
    private readonly FaultLog _faults;
    private readonly IInterruptSink _sink;
    private readonly InterruptEntryRules _rules;
    private readonly InterruptPoster _poster;
    private readonly bool _cachesFaults;

    private InterruptTableAddress _table;
    private int _entries = 2;
    private bool _isExtended;

    // Where an entry is kept that no cache takes.
    private CachedInterrupt _uncached;
    private ulong _remapped, _compatible, _posted, _notifications, _blocked, _entryReads;

    public InterruptRemapper(PhysicalMemory memory, HardwareProfile profile, InterruptEntryCache cache, FaultLog faults, IInterruptSink sink)
    {
        _memory = memory;
        _profile = profile;
        _faults = faults;
        _sink = sink;
        _rules = new(profile);
        _poster = new(memory, profile.HostAddressWidth);
        _cachesFaults = profile.CachesFaults && profile.Capabilities.CachingMode;
        _cache = cache;
    }

    /// <summary>Whether requests are remapped: IRES.</summary>
    public bool IsEnabled { get; set; }

    /// <summary>Whether requests in compatibility format may pass: CFIS.</summary>
    public bool AllowsCompatibility { get; set; }

    /// <summary>The table, as SIRTP took it.</summary>
    public InterruptTableAddress Table
    {
        get => _table;
        set
        {
            _table = value;
            _entries = 2 << value.SizeCode;
            _isExtended = value.ExtendedInterruptMode;
        }
    }

    /// <summary>What it has made of requests since power-on.</summary>
    public InterruptStatistics Statistics => new(_remapped, _compatible, _posted, _notifications, _blocked, _entryReads);

    /// <summary>Takes the interrupt request of a requester: an aligned doubleword written into the interrupt range.</summary>
    /// <param name="source">Who sends.</param>
    /// <param name="address">Where to.</param>
    /// <param name="data">The doubleword.</param>
    /// <returns><c>false</c> where it is blocked; the fault was reported.</returns>
    public bool TryDeliver(SourceId source, ulong address, uint data)
    {
        if (!IsEnabled)
        {
            _sink.Deliver(new(address, data));
            return true;
        }

        InterruptRequestAddress request = new(new(address));
        if (!request.IsRemappable)
            return TryPass(source, address, data);

        // 1. What of the request is reserved, and the index. It may have 17 bits, and so be beyond any table.
        int index = request.Handle;
        if (request.SubhandleValid)
        {
            if (data >> 16 != 0)
                return Refuse(source, FaultReason.InterruptRequestReserved, address, index: 0, suppressed: false);
            index += new InterruptRequestData(new(data)).Subhandle;
        }

        // 2. The table.
        if (index >= _entries)
            return Refuse(source, FaultReason.InterruptIndexBeyondTable, address, index, suppressed: false);

        // 3. The entry, from the cache or from memory.
        ref readonly CachedInterrupt found = ref _cache.Find(index);
        if (Unsafe.IsNullRef(in found))
        {
            FaultReason unread = Read(index);
            if (unread != FaultReason.None)
                return Refuse(source, unread, address, index, suppressed: false);
            found = ref _uncached;
        }

        // 4. What it is worth, and whether it is for this requester.
        if (found.State != InterruptEntryState.Sound || !InterruptSource.IsAccepted(found.Entry, source))
            return Refuse(source, Judge(found, source), address, index, found.Entry.FaultProcessingDisable);

        // 5. On to a processor, or into a descriptor.
        if (found.Entry.IsPosted)
            return TryPost(source, address, index, new(found.Entry.Raw));
        _remapped++;
        _sink.Deliver(found.Message);
        return true;
    }

    /// <summary>Back to what it was after power-on.</summary>
    public void Reset()
    {
        IsEnabled = AllowsCompatibility = false;
        Table = default;
        _cache.Clear();
    }

    // Requests as processors know them pass only where software allows it, and never where destinations are x2APIC ids.
    private bool TryPass(SourceId source, ulong address, uint data)
    {
        if (!AllowsCompatibility || _isExtended)
            return Refuse(source, FaultReason.CompatibilityInterruptBlocked, address, index: 0, suppressed: false);
        _compatible++;
        _sink.Deliver(new(address, data));
        return true;
    }

    private FaultReason Read(int index)
    {
        PhysicalAddress at = new(_table.Table.Value + ((ulong)index * 16));
        if (at.Value >> _profile.HostAddressWidth != 0)
            return FaultReason.InterruptIndexBeyondTable;
        _entryReads++;
        if (!_memory.TryRead(at, out Bits128 raw))
            return FaultReason.InterruptEntryAccess;
        InterruptRemappingEntry entry = new(raw);
        InterruptEntryState state = _rules.Check(entry, _isExtended);
        bool isMessage = state == InterruptEntryState.Sound && !entry.IsPosted;
        _uncached = new(index + 1, state, entry, isMessage ? InterruptMessages.Of(new(raw), _isExtended) : default);
        if (state == InterruptEntryState.Sound || _cachesFaults)
            _cache.Insert(_uncached);
        return FaultReason.None;
    }

    private FaultReason Judge(in CachedInterrupt interrupt, SourceId source) => interrupt.State switch
    {
        InterruptEntryState.NotPresent => FaultReason.InterruptEntryNotPresent,
        InterruptEntryState.Reserved => FaultReason.InterruptEntryInvalid,
        InterruptEntryState.Programming when _profile.InterruptCheckOrder == InterruptCheckOrder.EntryFirst
            || InterruptSource.IsAccepted(interrupt.Entry, source) => FaultReason.InterruptEntryInvalid,
        _ => FaultReason.InterruptSourceInvalid,
    };

    private bool TryPost(SourceId source, ulong address, int index, PostedInterrupt entry)
    {
        FaultReason reason = _poster.Post(entry, out PostedInterruptDescriptor control, out bool isDue);
        if (reason != FaultReason.None)
            return Refuse(source, reason, address, index, entry.Common.FaultProcessingDisable);
        _posted++;
        if (isDue)
        {
            _notifications++;
            _sink.Deliver(InterruptMessages.Notification(control, _isExtended));
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool Refuse(SourceId source, FaultReason reason, ulong address, int index, bool suppressed)
    {
        _blocked++;
        RemappingFault fault = new(source, reason, new(address), Write: true, default) { InterruptIndex = (ushort)index };
        _faults.Report(fault, suppressed);
        return false;
    }
}
