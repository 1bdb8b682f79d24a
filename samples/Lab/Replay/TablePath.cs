using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>The entries in memory that an access of a device leads through, as bare bits (VT-d, 1 and 2 of the reference).</summary>
/// <remarks>
/// It finds entries and judges none: what a rule says of an entry is asked of these bits, and not of the unit under
/// test. Entries that cannot be read, or come after one that leads nowhere, are missing.
/// </remarks>
internal sealed class TablePath
{
    private const ulong Frame = 0x000F_FFFF_FFFF_F000;
    private readonly PhysicalMemory _memory;
    private readonly List<PagingEntry> _entries = [];

    private TablePath(PhysicalMemory memory, ulong address)
    {
        _memory = memory;
        Address = address;
    }

    /// <summary>The address on the bus.</summary>
    public ulong Address { get; }

    /// <summary>The root entry, 128 bits.</summary>
    public ulong[] Root { get; private set; } = [];

    /// <summary>The context entry: 128 bits in legacy mode, 256 in scalable mode.</summary>
    public ulong[] Context { get; private set; } = [];

    /// <summary>The entry of the PASID directory.</summary>
    public ulong[] Directory { get; private set; } = [];

    /// <summary>The entry of the PASID table, 512 bits.</summary>
    public ulong[] PasidEntry { get; private set; } = [];

    /// <summary>The entries of the paging structures, from the top.</summary>
    public IReadOnlyList<PagingEntry> Entries => _entries;

    /// <summary>Whether it leads through the first stage.</summary>
    public bool IsFirstStage { get; private set; }

    /// <summary>Whether it leads through no paging structures, as pass-through.</summary>
    public bool IsPassThrough { get; private set; }

    /// <summary>Follows an access without a PASID.</summary>
    /// <param name="memory">Where the tables are.</param>
    /// <param name="hardware">The unit.</param>
    /// <param name="rootTableAddress">RTADDR as it was latched.</param>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    public static TablePath Follow(PhysicalMemory memory, HardwareProfile hardware, ulong rootTableAddress, SourceId source, ulong address)
    {
        TablePath path = new(memory, address);
        path.Root = path.Read((rootTableAddress & Frame) + (16ul * source.Bus), 2);
        if (path.Root.Length == 0)
            return path;
        if ((rootTableAddress & 0x400) != 0)
            path.FollowScalable(hardware, source);
        else
            path.FollowLegacy(source);
        return path;
    }

    private void FollowLegacy(SourceId source)
    {
        Context = Read((Root[0] & Frame) + (16ul * source.DeviceFunction), 2);
        if (Context.Length == 0)
            return;
        IsPassThrough = new Bits64(Context[0]).Bits(3, 2) == 2;
        if (!IsPassThrough)
            FollowSecondStage(Context[0] & Frame, new Bits64(Context[1]).Bits(2, 0));
    }

    private void FollowScalable(HardwareProfile hardware, SourceId source)
    {
        int half = source.DeviceFunction >> 7;
        Context = Read((Root[half] & Frame) + (32ul * (source.DeviceFunction & 0x7Fu)), 4);
        if (Context.Length == 0)
            return;
        ulong pasid = hardware.ExtendedCapabilities.RidPasid ? new Bits64(Context[1]).Bits(19, 0) : 0;
        Directory = Read((Context[0] & Frame) + (8 * (pasid >> 6)), 1);
        if (Directory.Length == 0)
            return;
        PasidEntry = Read((Directory[0] & Frame) + (64 * (pasid & 63)), 8);
        if (PasidEntry.Length == 0)
            return;
        Bits64 first = new(PasidEntry[0]);
        IsFirstStage = first.Bits(8, 6) == 1;
        IsPassThrough = first.Bits(8, 6) == 4;
        if (IsFirstStage)
            FollowFirstStage(PasidEntry[2] & Frame);
        else if (first.Bits(8, 6) == 2)
            FollowSecondStage(PasidEntry[0] & Frame, first.Bits(4, 2));
    }

    private void FollowFirstStage(ulong table)
    {
        for (int level = 4; level >= 1; level--)
        {
            if (!TryAdd(table, level) || (_entries[^1].Raw & 1) == 0 || _entries[^1].IsLeaf)
                return;
            table = _entries[^1].Raw & Frame;
        }
    }

    private void FollowSecondStage(ulong table, ulong addressWidth)
    {
        for (int level = (int)addressWidth + 2; level >= 1; level--)
        {
            if (!TryAdd(table, level) || (_entries[^1].Raw & 3) == 0 || _entries[^1].IsLeaf)
                return;
            table = _entries[^1].Raw & Frame;
        }
    }

    private bool TryAdd(ulong table, int level)
    {
        ulong place = table + (8 * ((Address >> (12 + (9 * (level - 1)))) & 0x1FF));
        ulong[] raw = Read(place, 1);
        if (raw.Length != 0)
            _entries.Add(new(level, place, raw[0]));
        return raw.Length != 0;
    }

    private ulong[] Read(ulong address, int words)
    {
        ulong[] raw = new ulong[words];
        return _memory.TryRead(new PhysicalAddress(address), System.Runtime.InteropServices.MemoryMarshal.AsBytes(raw.AsSpan())) ? raw : [];
    }
}

/// <summary>An entry of a paging structure.</summary>
/// <param name="Level">1 at the bottom.</param>
/// <param name="Place">Where it is.</param>
/// <param name="Raw">Its bits.</param>
internal readonly record struct PagingEntry(int Level, ulong Place, ulong Raw)
{
    /// <summary>Whether it maps a page rather than leading to a table, if it is present.</summary>
    public bool IsLeaf => Level == 1 || (Level <= 3 && (Raw & 0x80) != 0);

    /// <summary>Bytes that it covers.</summary>
    public ulong Bytes => 4096ul << (9 * (Level - 1));

    /// <summary>The first byte of the page that it maps.</summary>
    public ulong Page => Raw & 0x000F_FFFF_FFFF_F000 & ~(Bytes - 1);
}
