using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A page of either stage, as the model knows it.</summary>
internal sealed record StagePage(ulong Address, int Level, ulong Frame, bool Read, bool Write, bool User, bool Execute)
{
    public ulong Bytes => 1ul << (3 + (9 * Level));

    public bool Overlaps(StagePage other) => Address < other.Address + other.Bytes && other.Address < Address + Bytes;

    public bool Holds(ulong address) => address - Address < Bytes;
}

/// <summary>Takes rights away in an entry above a page, so that all pages below that entry lose them.</summary>
internal sealed record Narrowing(int Which, int Above, bool Read, bool Write, bool User, bool Execute)
{
    public StagePage Of(StagePage page) => page with
    {
        Read = page.Read && !Read,
        Write = page.Write && !Write,
        User = page.User && !User,
        Execute = page.Execute && !Execute,
    };
}

/// <summary>How the tables of a world are made, and which requests are tried on them.</summary>
internal sealed record ScalableProgram(
    PasidTranslationType Type,
    int FirstLevels,
    int SecondLevels,
    int Flags,
    StagePage[] FirstPages,
    StagePage[] SecondPages,
    Narrowing[] FirstNarrowings,
    Narrowing[] SecondNarrowings,
    ulong[] Probes)
{
    public bool NoExecute => (Flags & 1) != 0;

    public bool WriteProtect => (Flags & 2) != 0;

    public bool NoSupervisorExecution => (Flags & 4) != 0;

    public bool ExtendedAccessed => (Flags & 8) != 0;

    public bool SecondStageMarks => (Flags & 16) != 0;

    public static Gen<ScalableProgram> Any() =>
        from type in Gen.Elements(PasidTranslationType.FirstStage, PasidTranslationType.SecondStage, PasidTranslationType.Nested, PasidTranslationType.Nested)
        from firstLevels in Gen.Elements(4, 5)
        from secondLevels in Gen.Choose(3, 5)
        from flags in Gen.Choose(0, 31)
        from first in Pages(type == PasidTranslationType.Nested ? 3 : 4).ListOf()
        from second in Pages(3).ListOf()
        from firstNarrowings in Narrowings().ListOf()
        from secondNarrowings in Narrowings().ListOf()
        from probes in Addresses(4).ArrayOf(4)
        select new ScalableProgram(
            type, firstLevels, secondLevels, flags, [.. first.Take(12)], [.. second.Take(12)], [.. firstNarrowings.Take(3)], [.. secondNarrowings.Take(3)], probes);

    // Frames of a stage are places where pages of the next one can begin, so that both often meet.
    private static Gen<StagePage> Pages(int frameIndexes) =>
        from level in Gen.Frequency((5, Gen.Constant(1)), (2, Gen.Constant(2)), (1, Gen.Constant(3)))
        from address in Addresses(4)
        from frame in Addresses(frameIndexes)
        from rights in Gen.Choose(0, 15)
        from generous in Gen.Choose(0, 2)
        let all = rights | (generous != 0 ? 15 : 0)
        let mask = (1ul << (3 + (9 * level))) - 1
        select new StagePage(address & ~mask, level, frame & ((1ul << 39) - 1) & ~mask, (all & 1) != 0, (all & 2) != 0, (all & 4) != 0, (all & 8) != 0);

    // Few places at each level, so that pages meet in tables; none of them where tables are.
    private static Gen<ulong> Addresses(int count) =>
        from indexes in Gen.Elements<ulong>(0, 1, 2, 255, 511).ArrayOf(count)
        from offset in Gen.Choose(0, 4095)
        select indexes.Select((index, level) => index << (12 + (9 * level))).Aggregate((ulong)offset, (sum, part) => sum | part);

    private static Gen<Narrowing> Narrowings() =>
        from which in Gen.Choose(0, 1000)
        from above in Gen.Choose(1, 4)
        from right in Gen.Choose(0, 3)
        select new Narrowing(which, above, right == 0, right == 1, right == 2, right == 3);
}

/// <summary>The tables of a program in memory, and the same as two lists that are searched from end to end.</summary>
internal sealed class ScalableTables
{
    private const ulong FrameMask = 0x000F_FFFF_FFFF_F000;
    private readonly ScalableWorld _world;
    private readonly ScalableProgram _program;

    public ScalableTables(ScalableWorld world, ScalableProgram program, Pasid pasid)
    {
        _world = world;
        _program = program;
        Entry = world.Entry(program.Type, program.FirstLevels, program.SecondLevels) with
        {
            NoExecuteEnabled = program.NoExecute,
            WriteProtectEnabled = program.WriteProtect,
            SupervisorExecutionPrevented = program.NoSupervisorExecution,
            ExtendedAccessedEnabled = program.ExtendedAccessed,
            SecondStageAccessedDirty = program.SecondStageMarks,
        };
        world.PutPasid(pasid, Entry);
        if (HasFirst)
            Build(FirstPages, program.FirstPages, program.FirstNarrowings, isFirst: true);
        if (HasSecond)
            Build(SecondPages, program.SecondPages, program.SecondNarrowings, isFirst: false);
        if (HasFirst && HasSecond)
            world.MapTables(Entry);
    }

    public PasidTableEntry Entry { get; }

    public List<StagePage> FirstPages { get; } = [];

    public List<StagePage> SecondPages { get; } = [];

    public bool HasFirst => _program.Type != PasidTranslationType.SecondStage;

    public bool HasSecond => _program.Type != PasidTranslationType.FirstStage;

    /// <summary>What is added to the place of a first-stage table to have its address.</summary>
    public ulong Moved => HasSecond ? ScalableWorld.Moved : 0;

    /// <summary>The places of the first-stage entries of an address, top first.</summary>
    public List<ulong> FirstPlaces(ulong address) =>
        Places(Entry.FirstStageTable.Value - Moved, _program.FirstLevels, address, Moved, entry => (entry & 1) != 0);

    /// <summary>The places of the second-stage entries of an address, top first.</summary>
    public List<ulong> SecondPlaces(ulong address) =>
        Places(Entry.SecondStageTable.Value, _program.SecondLevels, address, 0, entry => (entry & 3) != 0);

    private List<ulong> Places(ulong table, int levels, ulong address, ulong moved, Func<ulong, bool> isPresent)
    {
        List<ulong> places = [];
        for (int level = levels; level > 0; level--)
        {
            ulong place = table + (((address >> (3 + (9 * level))) & 0x1FF) * 8);
            places.Add(place);
            ulong entry = _world.Get<ulong>(new(place));
            if (!isPresent(entry) || (level > 1 && (entry & 0x80) != 0))
                break;
            table = (entry & FrameMask) - moved;
        }

        return places;
    }

    private void Build(List<StagePage> model, StagePage[] wanted, Narrowing[] narrowings, bool isFirst)
    {
        ulong width = (1ul << (12 + (9 * (isFirst ? _program.FirstLevels : _program.SecondLevels)))) - 1;
        foreach (StagePage page in wanted)
        {
            // A place that is taken stays as it is. The upper half of first-stage addresses is not used here.
            StagePage placed = page with { Address = page.Address & width & (isFirst ? width >> 1 : width), Read = isFirst || page.Read };
            if (model.Exists(placed.Overlaps))
                continue;
            model.Add(placed);
            if (isFirst)
                _ = _world.MapFirst(Entry, placed.Address, FirstLeaf(placed), placed.Level);
            else
                _ = _world.MapSecond(Entry, placed.Address, placed.Frame | (placed.Read ? 1ul : 0) | (placed.Write ? 2ul : 0), placed.Level);
        }

        foreach (Narrowing narrowing in narrowings)
        {
            if (model.Count != 0)
                Narrow(model, narrowing, isFirst);
        }
    }

    // XD is reserved where NXE is clear.
    private ulong FirstLeaf(StagePage page) =>
        page.Frame | 1 | (page.Write ? 2ul : 0) | (page.User ? 4ul : 0) | (page.Execute || !_program.NoExecute ? 0 : 1ul << 63);

    private void Narrow(List<StagePage> model, Narrowing narrowing, bool isFirst)
    {
        StagePage chosen = model[narrowing.Which % model.Count];
        int levels = isFirst ? _program.FirstLevels : _program.SecondLevels;
        int level = chosen.Level + narrowing.Above;

        // Above level 3 an entry of a nested second stage leads to the tables of the first stage, too.
        if (level > levels || (level > 3 && !isFirst && HasFirst))
            return;
        ulong place = (isFirst ? FirstPlaces(chosen.Address) : SecondPlaces(chosen.Address))[levels - level];
        ulong entry = _world.Get<ulong>(new(place));
        ulong cleared = isFirst
            ? (narrowing.Write ? 2ul : 0) | (narrowing.User ? 4ul : 0)
            : (narrowing.Read ? 1ul : 0) | (narrowing.Write ? 2ul : 0);
        ulong set = isFirst && narrowing.Execute && _program.NoExecute ? 1ul << 63 : 0;

        // An entry without any right of the second stage is none: that is another law.
        if (!isFirst && (entry & 3 & ~cleared) == 0)
            return;
        _world.Put(new(place), (entry & ~cleared) | set);
        Narrowing honest = isFirst ? narrowing with { Read = false } : narrowing with { User = false, Execute = false };
        for (int index = 0; index < model.Count; index++)
        {
            int shift = 3 + (9 * level);
            if (model[index].Level < level && model[index].Address >> shift == chosen.Address >> shift)
                model[index] = honest.Of(model[index]);
        }
    }
}
