using System.Text.Json;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

public sealed class TableAuditLaws
{
    private const ulong Root = 0x1000;
    private const ulong Contexts = 0x2000;
    private const ulong Tables = 0x3000;
    private const ulong ReadWrite = 3;
    private const ulong User = 4;

    [Fact]
    public void What_was_mapped_is_what_the_audit_finds()
    {
        // Pages of three sizes at random places, some next to each other; later ones do not disturb earlier ones.
        Gen<(int Slot, int Level, ulong Target, ulong Rights)[]> maps = Gen.ArrayOf(
            from slot in Gen.Choose(0, 2000)
            from level in Gen.Frequency((6, Gen.Constant(1)), (2, Gen.Constant(2)), (1, Gen.Constant(3)))
            from target in Gen.Choose(0, 1 << 20)
            from rights in Gen.Choose(1, 3)
            select (slot, level, (ulong)target, (ulong)rights));
        Property.Check(maps.ToArbitrary(), pages =>
        {
            using PhysicalMemory memory = new(16 << 20);
            TableWriter writer = Begin(memory, Tables, 2);
            Dictionary<ulong, (ulong Target, int Shift, ulong Rights)> model = [];
            foreach ((int slot, int level, ulong target, ulong rights) in pages)
            {
                int shift = 12 + (9 * (level - 1));
                ulong address = ((ulong)level << 38) + ((ulong)slot << shift);
                ulong frame = target << shift & 0xF_FFFF_FFFF_F000;
                writer.Map(Tables, 4, address, frame | rights | (level > 1 ? 0x80ul : 0), level, ReadWrite);
                model[address] = (frame, shift, rights);
            }

            AuditReport report = TableAudit.Run(memory, new() { Root = new(Root) });
            Assert.DoesNotContain(report.FaultCounts, count => count.Key != FaultReason.OutputInInterruptRange);
            AuditedDomain domain = Assert.Single(report.Domains);
            Assert.Equal((ulong)model.Count, domain.Pages);
            Assert.Equal(
                model.OrderBy(page => page.Key).Select(page => (page.Key, page.Value.Target, page.Value.Shift, page.Value.Rights)),
                domain.Runs.SelectMany(PagesOf));
            Assert.All(domain.Runs.Zip(domain.Runs.Skip(1)), pair => Assert.False(Continues(pair.First, pair.Second)));
        });
    }

    [Fact]
    public void A_nested_map_is_the_composition_of_both_stages()
    {
        const ulong GuestBase = 0x4000_0000;
        Gen<(int Slot, int Guest, ulong Rights)[]> first = Gen.ArrayOf(
            from slot in Gen.Choose(0, 600)
            from guest in Gen.Choose(0, 64)
            from rights in Gen.Elements(1ul, 3ul, 5ul, 7ul)
            select (slot, guest, rights));
        Gen<(int Guest, int Target, ulong Rights)[]> second = Gen.ArrayOf(
            from guest in Gen.Choose(0, 64)
            from target in Gen.Choose(0, 4096)
            from rights in Gen.Choose(1, 3)
            select (guest, target, (ulong)rights));
        Property.Check(Gen.Zip(first, second).ToArbitrary(), stages =>
        {
            using PhysicalMemory memory = new(16 << 20);
            TableWriter writer = new(memory, 0x8000);
            ulong firstRoot = writer.NewPage();
            ulong secondRoot = writer.NewPage();
            BeginScalable(memory, new PasidTableEntry
            {
                Present = true,
                TranslationType = PasidTranslationType.Nested,
                AddressWidth = AddressWidth.Bits48,
                SecondStageTable = new(secondRoot),
                FirstStageTable = new(GuestBase + firstRoot),
                DomainId = new(7),
            });

            // First-stage tables lie in guest memory at GuestBase, behind a 2 MiB page of the second stage.
            Dictionary<ulong, (ulong Guest, ulong Rights)> upper = [];
            foreach ((int slot, int guest, ulong rights) in stages.Item1)
            {
                ulong address = (ulong)slot << 12;
                writer.Map(firstRoot, 4, address, ((ulong)guest << 12) | rights, 1, ReadWrite | User, page => GuestBase + page);
                upper[address] = ((ulong)guest << 12, rights);
            }

            writer.Map(secondRoot, 4, GuestBase, 0 | ReadWrite | 0x80, 2, ReadWrite);
            Assert.True(writer.Free <= 2 << 20, "The tables outgrew the page that maps them.");
            Dictionary<ulong, (ulong Target, ulong Rights)> lower = [];
            foreach ((int guest, int target, ulong rights) in stages.Item2)
            {
                writer.Map(secondRoot, 4, (ulong)guest << 12, ((ulong)target << 12) | rights, 1, ReadWrite);
                lower[(ulong)guest << 12] = ((ulong)target << 12, rights);
            }

            List<(ulong Address, ulong Target, MappingRights Rights)> expected = [];
            foreach ((ulong address, (ulong guest, ulong rights)) in upper.OrderBy(page => page.Key))
            {
                if (!lower.TryGetValue(guest, out (ulong Target, ulong Rights) below))
                    continue;
                MappingRights both = MappingRights.Execute
                    | ((below.Rights & 1) != 0 ? MappingRights.Read : 0)
                    | ((rights & below.Rights & 2) != 0 ? MappingRights.Write : 0)
                    | ((rights & 4) != 0 ? MappingRights.User : 0);
                if ((both & (MappingRights.Read | MappingRights.Write)) != 0)
                    expected.Add((address, below.Target, both));
            }

            AuditReport report = TableAudit.Run(memory, new() { Root = new(Root), Mode = TranslationTableMode.Scalable });
            AuditedDomain domain = Assert.Single(report.Domains);
            Assert.Equal(expected, domain.Runs.SelectMany(PagesOf).Select(page => (page.Address, page.Target, (MappingRights)page.Rights)));
            Assert.All(report.FaultCounts.Keys, reason => Assert.Equal(FaultReason.ScalableSecondStageNotPresent, reason));
        });
    }

    [Fact]
    public void Two_domains_share_exactly_the_frames_that_both_map()
    {
        Gen<(int Frame, int Level, bool Write)[]> half = Gen.ArrayOf(
            from frame in Gen.Choose(0, 40)
            from level in Gen.Frequency((5, Gen.Constant(1)), (1, Gen.Constant(2)))
            from write in Gen.Elements(true, false)
            select (frame, level, write));
        Property.Check(Gen.Zip(half, half).ToArbitrary(), halves =>
        {
            using PhysicalMemory memory = new(16 << 20);
            TableWriter writer = Begin(memory, Tables, 2);
            writer.Put(Contexts + 16, 0x4000 | 1);
            writer.Put(Contexts + 24, 0x302);
            _ = writer.NewPage();
            Dictionary<ulong, bool> left = Fill(writer, Tables, halves.Item1);
            Dictionary<ulong, bool> right = Fill(writer, 0x4000, halves.Item2);

            AuditReport report = TableAudit.Run(memory, new() { Root = new(Root) });
            Dictionary<ulong, bool> expected = left.Keys.Intersect(right.Keys).ToDictionary(frame => frame, frame => left[frame] || right[frame]);
            Dictionary<ulong, bool> found = [];
            foreach (AuditFinding finding in report.Findings)
            {
                for (ulong at = 0; at < finding.Range.Length; at += 4096)
                {
                    ulong frame = finding.Range.Start.Value + at;
                    found[frame] = found.GetValueOrDefault(frame) || finding.Kind == AuditFindingKind.FrameSharedWritable;
                }
            }

            Assert.Equal(expected.OrderBy(frame => frame.Key), found.OrderBy(frame => frame.Key));
            Assert.Equal(expected.ContainsValue(true), !report.IsIsolated);
        });
    }

    [Fact]
    public void A_device_that_can_write_a_table_is_a_violation_whichever_table_it_is()
    {
        foreach (ulong table in (ulong[])[Root, Contexts, Tables, 0x5000, 0x6000, 0x7000, 0x8000, 0x9000])
        {
            using PhysicalMemory memory = new(16 << 20);
            TableWriter writer = Begin(memory, Tables, 2);
            _ = writer.NewPage();
            ulong entry = writer.Map(Tables, 4, 0x7000_0000, table | ReadWrite, 1, ReadWrite);
            Assert.Equal(0x8000ul, writer.Free);
            AuditRequest request = new() { Root = new(Root), InterruptTable = new InterruptTableAddress { Table = new(0x8000), SizeCode = 8 } };
            AuditFinding finding = Assert.Single(TableAudit.Run(memory, request).Findings);
            Assert.Equal(AuditFindingKind.TableWritable, finding.Kind);
            Assert.Equal(new AuditedRange(new(table), 4096), finding.Range);
            Assert.Equal(0x7000_0000ul, finding.Address.Value);

            writer.Put(entry, table | 1);
            AuditReport readable = TableAudit.Run(memory, request);
            Assert.Equal(AuditFindingKind.TableReadable, Assert.Single(readable.Findings).Kind);
            Assert.True(readable.IsIsolated);
        }
    }

    [Fact]
    public void Tables_that_point_at_themselves_are_counted_and_do_not_explode()
    {
        using PhysicalMemory memory = new(1 << 20);
        TableWriter writer = Begin(memory, Tables, 2);
        for (ulong slot = 0; slot < 512; slot++)
            writer.Put(Tables + (slot * 8), Tables | ReadWrite);
        AuditReport report = TableAudit.Run(memory, new() { Root = new(Root), Limits = new() { RunsListedMax = 1000 } });
        AuditedDomain domain = Assert.Single(report.Domains);
        Assert.Equal(1ul << 36, domain.Pages4K);
        Assert.Equal(1000, domain.Runs.Count);
        Assert.True(domain.RunsTruncated);
        Assert.Equal(AuditFindingKind.TableWritable, report.Findings[0].Kind);
        Assert.False(report.IsIsolated);
    }

    [Fact]
    public void Memory_may_hold_anything()
    {
        Property.Check(Anything(), world =>
        {
            using PhysicalMemory memory = new(128 << 10);
            Fill(memory, new Random(world.Seed), world.Density);
            AuditReport report = TableAudit.Run(memory, new()
            {
                Root = default,
                Mode = world.Scalable ? TranslationTableMode.Scalable : TranslationTableMode.Legacy,
                InterruptTable = new InterruptTableAddress { Table = new(0x1F000), SizeCode = 15 },
                Limits = new() { TablePagesMax = 300, PasidsMax = 2000, RunsListedMax = 2000, FaultsListedMax = 100, FindingsListedMax = 100, PartialBlocksMax = 100 },
            });
            Assert.True(report.Faults.Count <= 100);
            Assert.True(report.Findings.Count <= 200);
            Assert.True(report.Domains.Sum(domain => (long)domain.Runs.Count) <= 2000);
            using Utf8JsonWriter json = new(Stream.Null);
            AuditJson.Write(json, report);
        }, 50);
    }

    [Fact]
    public void The_audit_says_of_every_address_what_the_unit_does_with_it()
    {
        Property.Check(Anything(), world =>
        {
            using PhysicalMemory memory = new(128 << 10);
            Random random = new(world.Seed);
            Fill(memory, random, Math.Min(world.Density, 16));
            HardwareProfile profile = HardwareProfile.Named(HardwareProfile.Names[random.Next(HardwareProfile.Names.Count)]) with
            {
                RightsOrder = RightsOrder.AfterTheWalk,
            };
            AuditReport report = TableAudit.Run(memory, new() { Root = default, Profile = profile, Limits = new() { TablePagesMax = 2000, RunsListedMax = 20_000 } });
            RemappingUnit unit = new(memory, new NoInterrupts(), profile);
            unit.Write(RegisterOffsets.GlobalCommand, 4, 1u << 30);
            unit.Write(RegisterOffsets.GlobalCommand, 4, 1u << 31);
            foreach (AuditedFunction function in report.Functions)
            {
                if (function.Domain is { RunsTruncated: true } || report.Incomplete.Count != 0)
                    continue;
                for (int probe = 0; probe < 8; probe++)
                {
                    ulong address = function.Domain is { Runs.Count: > 0 } domain && probe < 4
                        ? domain.Runs[random.Next(domain.Runs.Count)].Address.Value + (ulong)random.Next(4096)
                        : (ulong)random.NextInt64(1L << 39);
                    bool write = random.Next(2) == 0;
                    AgreeOn(report, function, unit.Explain(function.Source, new(address), write));
                }
            }
        }, 50);
    }

    private static void AgreeOn(AuditReport report, AuditedFunction function, WalkTranscript transcript)
    {
        if (function.Fault != FaultReason.None)
        {
            // The width of the address is looked at before the tables.
            Assert.True(transcript.Fault == function.Fault || transcript.Fault == FaultReason.AddressBeyondWidth, $"{transcript.Fault} instead of {function.Fault}");
            return;
        }

        if (function.Domain is not { } domain || InterruptRange.Contains(transcript.Address.Value))
            return;
        MappedRun? run = domain.Runs
            .Where(run => transcript.Address >= run.Address && transcript.Address.Value - run.Address.Value < run.Length)
            .Select(run => (MappedRun?)run)
            .FirstOrDefault();
        ulong target = run is { } found ? found.Target.Value + (transcript.Address.Value - found.Address.Value) : 0;
        bool allowed = run is { } mapped
            && (mapped.Rights & (transcript.Write ? MappingRights.Write : MappingRights.Read)) != 0
            && !InterruptRange.Contains(target);
        Assert.Equal(allowed, transcript.Passes);
        if (allowed)
            Assert.Equal(target, transcript.Target.Value);
        if (transcript.Fault is FaultReason.SecondStageReserved or FaultReason.SecondStageAccess or FaultReason.OutputInInterruptRange)
            Assert.Contains(transcript.Fault, report.FaultCounts.Keys);
    }

    private static Arbitrary<(int Seed, bool Scalable, int Density)> Anything() => (
        from seed in Gen.Choose(0, int.MaxValue)
        from scalable in Gen.Elements(true, false)
        from density in Gen.Choose(1, 64)
        select (seed, scalable, density)).ToArbitrary();

    private sealed class NoInterrupts : IInterruptSink
    {
        public void Deliver(MessageInterrupt message) => Assert.Fail("Nothing raises interrupts here.");
    }

    // Quadwords of noise, and pointers to the few pages there are, with few bits that anything refuses.
    private static void Fill(PhysicalMemory memory, Random random, int density)
    {
        for (ulong at = 0; at < 128 << 10; at += 8)
        {
            if (random.Next(64) >= density)
                continue;
            ulong value = random.Next(8) switch
            {
                0 => (ulong)random.NextInt64() ^ ((ulong)random.NextInt64() << 1),
                1 => (ulong)random.Next(1 << 10),
                _ => ((ulong)random.Next(34) << 12) | (uint)random.Next(16) | (random.Next(16) == 0 ? 0x80ul : 0),
            };
            _ = memory.TryWrite(new(at), value);
        }
    }

    private static Dictionary<ulong, bool> Fill(TableWriter writer, ulong root, (int Frame, int Level, bool Write)[] pages)
    {
        Dictionary<ulong, bool> frames = [];
        ulong next = 0;
        foreach ((int frame, int level, bool write) in pages)
        {
            // Above the tables, 4 KiB frames and 2 MiB blocks over each other.
            ulong target = (1ul << 30) + (level == 1 ? (ulong)frame << 12 : (ulong)(frame & 1) << 21);
            writer.Map(root, 4, next, target | (write ? ReadWrite : 1) | (level == 2 ? 0x80ul : 0), level, ReadWrite);
            next += 2 << 20;
            for (ulong at = 0; at < 1ul << (level == 1 ? 12 : 21); at += 4096)
                frames[target + at] = frames.GetValueOrDefault(target + at) || write;
        }

        return frames;
    }

    private static TableWriter Begin(PhysicalMemory memory, ulong tables, ulong width)
    {
        TableWriter writer = new(memory, tables + 4096);
        writer.Put(Root, Contexts | 1);
        writer.Put(Contexts, tables | 1);
        writer.Put(Contexts + 8, 0x200 | width);
        return writer;
    }

    private static void BeginScalable(PhysicalMemory memory, PasidTableEntry entry)
    {
        Assert.True(memory.TryWrite(new(Root), new ScalableRootEntry { LowerPresent = true, LowerContextTable = new(Contexts) }.Raw));
        Assert.True(memory.TryWrite(new(Contexts), new ScalableContextEntry { Present = true, PasidDirectory = new(0x3000) }.Raw));
        Assert.True(memory.TryWrite(new(0x3000), new PasidDirectoryEntry { Present = true, PasidTable = new(0x4000) }.Raw));
        Assert.True(memory.TryWrite(new(0x4000), entry.Raw));
    }

    private static IEnumerable<(ulong Address, ulong Target, int Shift, ulong Rights)> PagesOf(MappedRun run)
    {
        for (ulong at = 0; at < run.Length; at += 1ul << run.PageShift)
            yield return (run.Address.Value + at, run.Target.Value + at, run.PageShift, (ulong)run.Rights);
    }

    private static bool Continues(MappedRun first, MappedRun second) =>
        first.Address.Value + first.Length == second.Address.Value
        && first.Target.Value + first.Length == second.Target.Value
        && first.Rights == second.Rights
        && first.PageShift == second.PageShift;
}
