using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class EptTests
{
    private const ulong MiB = 1 << 20;

    [Fact]
    public void A_walk_finds_what_was_mapped_and_nothing_else() => Property.Check(Generate.Program(Steps, 40), Run, 100);

    [Fact]
    public void Tables_that_map_nothing_give_every_frame_back()
    {
        using PhysicalMemory memory = new(4 * MiB);
        FrameTable frames = new(memory);
        EptTables tables = EptTables.TryCreate(frames)!;
        foreach (FrameSize size in (FrameSize[])[FrameSize.Page4K, FrameSize.Page2M, FrameSize.Page1G])
        {
            Assert.True(tables.TryMap(new(0x40_0000_0000), new(0), size, EptRights.All, EptMemoryType.WriteBack));
            Assert.Equal(2 + ((30 - (int)size) / 9), tables.TableFrames);
            tables.Unmap(new(0x40_0000_0000), size);
            Assert.Equal(1, tables.TableFrames);
        }

        Assert.True(tables.TryMap(new(0), new(0), FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack));
        Assert.True(tables.TryMap(new(0x7FFF_FFFF_F000), new(0), FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack));
        tables.Release();
        Assert.Equal(4 * MiB / 4096, frames.CountOf(FrameOwner.Free));
    }

    [Fact]
    public void Mapping_without_memory_for_tables_changes_nothing()
    {
        using PhysicalMemory memory = new(3 * 4096);
        FrameTable frames = new(memory);
        EptTables tables = EptTables.TryCreate(frames)!;
        Assert.False(tables.TryMap(new(0), new(0), FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack));
        Assert.Equal(1, tables.TableFrames);
        Assert.Equal(2ul, frames.CountOf(FrameOwner.Free));
        Assert.True(tables.TryMap(new(0), new(0), FrameSize.Page2M, EptRights.All, EptMemoryType.WriteBack));
    }

    [Theory]
    [InlineData(1, 0x2ul)] // W without R
    [InlineData(1, 0x6ul)] // WX without R
    [InlineData(1, 0x17ul)] // memory type 2
    [InlineData(1, 0x1Ful)] // memory type 3
    [InlineData(1, 0x3Ful)] // memory type 7
    [InlineData(2, 0x1087ul)] // 2 MiB page off its boundary
    [InlineData(2, 0x20_0097ul)] // 2 MiB page of memory type 2
    [InlineData(2, 0xFul)] // reserved bits of a table reference
    [InlineData(2, 0x47ul)]
    [InlineData(3, 0x20_0087ul)] // 1 GiB page off its boundary
    [InlineData(3, 0x27ul)]
    [InlineData(4, 0x87ul)] // no page of 512 GiB
    [InlineData(4, 0x17ul)]
    [InlineData(4, 0x2ul)]
    public void A_malformed_entry_is_a_misconfiguration_whatever_the_access(int level, ulong raw)
    {
        using PhysicalMemory memory = new(4 * MiB);
        EptTables tables = WithEntry(memory, level, raw);
        foreach (EptRights access in (EptRights[])[EptRights.None, EptRights.Read, EptRights.Write, EptRights.Execute])
        {
            EptWalkResult found = tables.Walk(new(0), access);
            Assert.Equal(EptOutcome.Misconfiguration, found.Outcome);
            Assert.Equal(level, found.Level);
            Assert.Equal(raw, found.Entry.Raw.Value);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void An_entry_without_rights_is_not_present_whatever_its_other_bits(int level)
    {
        using PhysicalMemory memory = new(4 * MiB);
        EptTables tables = WithEntry(memory, level, ulong.MaxValue & ~7ul);
        EptWalkResult found = tables.Walk(new(0), EptRights.Read);
        Assert.Equal((EptOutcome.Violation, level, EptRights.None), (found.Outcome, found.Level, found.Rights));
    }

    [Fact]
    public void Rights_are_those_that_every_level_gives()
    {
        for (int level = 1; level <= 4; level++)
        {
            for (ulong rights = 1; rights < 8; rights++)
            {
                if ((rights & 3) == 2)
                    continue;
                using PhysicalMemory memory = new(4 * MiB);
                EptTables tables = WithEntry(memory, level, null, (EptRights)rights);
                for (ulong access = 0; access < 8; access++)
                {
                    EptWalkResult found = tables.Walk(new(0x123), (EptRights)access);
                    Assert.Equal((rights & access) == access ? EptOutcome.Mapped : EptOutcome.Violation, found.Outcome);
                    Assert.Equal((EptRights)rights, found.Rights);
                }
            }
        }
    }

    [Fact]
    public void A_table_where_no_memory_is_reads_as_all_ones_and_is_a_misconfiguration()
    {
        for (int level = 2; level <= 4; level++)
        {
            using PhysicalMemory memory = new(4 * MiB);
            EptTables tables = WithEntry(memory, level, 0x1_0000_0007);
            EptWalkResult found = tables.Walk(new(0), EptRights.Read);
            Assert.Equal((EptOutcome.Misconfiguration, level - 1), (found.Outcome, found.Level));
        }
    }

    [Fact]
    public void An_address_wider_than_the_walk_is_a_violation()
    {
        using PhysicalMemory memory = new(4 * MiB);
        EptTables tables = WithEntry(memory, 1, null);
        Assert.Equal(EptOutcome.Mapped, tables.Walk(new(0), EptRights.Read).Outcome);
        for (int bit = 48; bit < 64; bit++)
            Assert.Equal(EptOutcome.Violation, tables.Walk(new(1ul << bit), EptRights.Read).Outcome);
    }

    // Tables that map the first page, with one entry on the way replaced, or its rights.
    private static EptTables WithEntry(PhysicalMemory memory, int level, ulong? raw, EptRights rights = EptRights.All)
    {
        EptTables tables = EptTables.TryCreate(new(memory))!;
        Assert.True(tables.TryMap(new(0), new(2 * MiB), FrameSize.Page4K, EptRights.All, EptMemoryType.WriteBack));
        PhysicalAddress table = tables.Pointer.Root;
        for (int at = 4; at > level; at--)
        {
            Assert.True(memory.TryRead(table, out ulong entry));
            table = new EptEntry(entry).Address;
        }

        Assert.True(memory.TryRead(table, out ulong found));
        Assert.True(memory.TryWrite(table, raw ?? ((found & ~7ul) | (ulong)rights)));
        return tables;
    }

    private static Gen<Step> Steps =>
        from unmap in Gen.Frequency((2, Gen.Constant(false)), (1, Gen.Constant(true)))
        from size in Gen.Elements(FrameSize.Page4K, FrameSize.Page2M, FrameSize.Page1G)
        from guest in Gen.Choose(0, 15)
        from host in Gen.Choose(0, 15)
        from spread in Gen.Elements(0, 0, 0, 1, 7)
        from rights in Gen.Elements(EptRights.Read, EptRights.ReadWrite, EptRights.All, EptRights.Execute, EptRights.Read | EptRights.Execute)
        from type in Gen.Elements(Enum.GetValues<EptMemoryType>())
        select new Step(unmap, size, ((ulong)guest << (int)size) + ((ulong)spread << 40), (ulong)host << (int)size, rights, type);

    private static void Run(Step[] program)
    {
        using PhysicalMemory memory = new(8 * MiB);
        FrameTable frames = new(memory);
        EptTables tables = EptTables.TryCreate(frames)!;
        List<Step> model = [];
        foreach (Step step in program)
        {
            int over = model.FindIndex(other => step.Guest < other.Guest + other.Size.Bytes && other.Guest < step.Guest + step.Size.Bytes);
            if (step.Unmap && over >= 0)
            {
                tables.Unmap(new(model[over].Guest), model[over].Size);
                model.RemoveAt(over);
            }
            else if (step.Unmap)
            {
                Assert.Throws<InvalidOperationException>(() => tables.Unmap(new(step.Guest), step.Size));
            }
            else if (over >= 0)
            {
                Assert.Throws<InvalidOperationException>(() => Map(tables, step));
            }
            else
            {
                Map(tables, step);
                model.Add(step);
            }

            Compare(tables, model, program);
        }
    }

    private static void Map(EptTables tables, Step step) =>
        Assert.True(tables.TryMap(new(step.Guest), new(step.Host), step.Size, step.Rights, step.Type));

    private static void Compare(EptTables tables, List<Step> model, Step[] program)
    {
        foreach (Step at in program)
        {
            foreach (ulong address in (ulong[])[at.Guest, at.Guest + at.Size.Bytes - 1, at.Guest + (at.Size.Bytes / 2) + 5])
            {
                EptWalkResult found = tables.Walk(new(address), EptRights.None);
                Step? page = model.Find(page => address - page.Guest < page.Size.Bytes);
                Assert.Equal(page is null ? EptOutcome.Violation : EptOutcome.Mapped, found.Outcome);
                if (page is null)
                    continue;
                Assert.Equal(page.Host + (address - page.Guest), found.Address.Value);
                Assert.Equal((page.Rights, page.Type, page.Size), (found.Rights, found.Entry.MemoryType, found.Size));
            }
        }
    }

    private sealed record Step(bool Unmap, FrameSize Size, ulong Guest, ulong Host, EptRights Rights, EptMemoryType Type)
    {
        public override string ToString() => Unmap ? $"unmap {Guest:X}h" : $"map {Guest:X}h -> {Host:X}h {Size} {Rights} {Type}";
    }
}
