using System.Globalization;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random tables and requests beside a model that knows the table alone, and when it may be out of date.</summary>
public sealed class InterruptRemappingLaws
{
    private const int Indices = 24;

    // Bit 20 of the address of a descriptor: without it none can lie over the table, which the model must know.
    private const ulong NearTable = 1ul << NearTableBit;
    private const int NearTableBit = 52;
    private static readonly ushort[] _sources = [0x0020, 0x0021, 0x0024, 0x0028, 0x0300, 0x0500];

    private static readonly HardwareProfile[] _profiles =
    [
        Small("friendly"),
        Small("hostile"),
        Small("hostile") with { InterruptCacheSets = 7, InterruptCacheWays = 4, Replacement = Replacement.RoundRobin },
        Small("friendly") with { InterruptCacheSets = 0 },
        Small("xeon-scalable"),
        Small("core-8th"),
    ];

    private enum Do
    {
        Send,
        SendCompatible,
        Put,
        Flip,
        Invalidate,
        InvalidateAll,
        SetTable,
        Allow,
        Switch,
    }

    private static Gen<Step> Steps =>
        from what in Gen.Frequency(
            (12, Gen.Constant(Do.Send)), (1, Gen.Constant(Do.SendCompatible)), (4, Gen.Constant(Do.Put)), (2, Gen.Constant(Do.Flip)), (2, Gen.Constant(Do.Invalidate)),
            (1, Gen.Constant(Do.InvalidateAll)), (1, Gen.Constant(Do.SetTable)), (1, Gen.Constant(Do.Allow)), (1, Gen.Frequency((4, Gen.Constant(Do.Send)), (1, Gen.Constant(Do.Switch)))))
        from index in Gen.Choose(0, Indices - 1)
        from number in Gen.Choose(0, 127)
        from word0 in Entries
        from word1 in Requesters
        select new Step(what, index, number, word0, word1);

    // Present entries for the most part, of every delivery mode and both forms.
    private static Gen<ulong> Entries =>
        from any in Generate.Any64
        from form in Gen.Frequency((6, Gen.Constant(0)), (2, Gen.Constant(1)), (1, Gen.Constant(2)))
        from mode in Gen.Elements(0, 0, 0, 1, 2, 3, 4, 5, 6, 7)
        let flags = any & 0x00FF_0F02
        select form switch
        {
            0 => flags | 1 | (any & 0x1C) | ((ulong)mode << 5) | (any & 0xFF00_0000_0000),
            1 => flags | 1 | 0x8000 | (any & 0x4000) | ((InterruptWorld.Descriptors + (any >> 60 << 6)) << 32),
            _ => any & ~(1ul | NearTable),
        };

    private static Gen<ulong> Requesters =>
        from source in Gen.Elements<ushort>([.. _sources, 0x0003, 0x0305])
        from qualifier in Gen.Choose(0, 3)
        from validation in Gen.Frequency((2, Gen.Constant(0)), (6, Gen.Constant(1)), (3, Gen.Constant(2)), (1, Gen.Constant(3)))
        select source | ((ulong)qualifier << 16) | ((ulong)validation << 18);

    [Fact]
    public void A_request_gets_the_answer_of_the_table_or_of_one_that_was_not_invalidated_since() =>
        Property.Check(
            Arb.From(
                from profile in Gen.Choose(0, _profiles.Length - 1)
                from steps in Generate.Program(Steps, 30).Generator
                select (profile, steps),
                program => Generate.Program(Steps, 30).Shrinker(program.steps).Select(steps => (program.profile, steps))),
            program =>
            {
                using Run run = new(_profiles[program.profile]);
                foreach (Step step in program.steps)
                    run.Take(step);
            },
            count: 3_400);

    [Fact]
    public void An_entry_that_was_used_stays_as_it_was_until_it_is_invalidated()
    {
        using InterruptWorld world = new("friendly");
        world.Put(3, InterruptWorld.Entry(0x61).Raw);
        world.Put(4, InterruptWorld.Entry(0x71).Raw);
        Assert.Equal((0x61, 0x71), (Vector(3), Vector(4)));
        world.Put(3, InterruptWorld.Entry(0x62).Raw);
        world.Put(4, default);
        Assert.Equal((0x61, 0x71), (Vector(3), Vector(4)));
        world.Invalidate(3, 0);
        Assert.Equal((0x62, 0x71), (Vector(3), Vector(4)));
        world.InvalidateAll();
        Assert.Equal(DmaStatus.Blocked, world.Send(4));

        // What was not present is looked at again; and a new pointer forgets everything where the unit says so.
        world.Put(4, InterruptWorld.Entry(0x72).Raw);
        Assert.Equal(0x72, Vector(4));
        world.Put(4, InterruptWorld.Entry(0x73).Raw);
        world.SetTable(15, extended: false);
        Assert.Equal(0x73, Vector(4));

        byte Vector(int index)
        {
            Assert.Equal(DmaStatus.Success, world.Send(index));
            return world.TakeMessage().Vector;
        }
    }

    [Fact]
    public void A_unit_that_caches_faults_keeps_them_too_and_a_new_pointer_alone_forgets_nothing_there()
    {
        using InterruptWorld world = new("hostile");
        Assert.Equal(DmaStatus.Blocked, world.Send(4));
        world.Put(4, InterruptWorld.Entry(0x71).Raw);
        world.SetTable(15, extended: false);
        Assert.Equal(DmaStatus.Blocked, world.Send(4));
        world.Invalidate(4, 0);
        Assert.Equal(DmaStatus.Success, world.Send(4));
    }

    [Fact]
    public void An_invalidation_takes_what_its_mask_covers_and_nothing_more()
    {
        HardwareProfile roomy = HardwareProfile.Named("friendly") with { InterruptCacheSets = 64, InterruptCacheWays = 4 };
        for (int mask = 0; mask <= 15; mask++)
        {
            using InterruptWorld world = new(roomy);
            const int Around = 100;
            for (int index = 0; index < 200; index++)
                world.Put(index, InterruptWorld.Entry((byte)(16 + (index % 128))).Raw);
            SendAll(world);
            for (int index = 0; index < 200; index++)
                world.Put(index, default);
            world.Invalidate(Around, mask);
            world.Messages.Clear();
            SendAll(world);
            int first = Around >> mask << mask;
            int gone = Math.Min(200, first + (1 << mask)) - first;
            Assert.Equal(200 - gone, world.Messages.Count);
            Assert.All(world.Faults, fault => Assert.InRange((int)fault.Fault.InterruptIndex!, first, first + (1 << mask) - 1));
        }

        static void SendAll(InterruptWorld world)
        {
            for (int index = 0; index < 200; index++)
                _ = world.Send(index);
        }
    }

    [Theory]
    [InlineData("friendly", 15, InvalidationQueueError.None)]
    [InlineData("friendly", 16, InvalidationQueueError.ReservedField)]
    [InlineData("hostile", 0, InvalidationQueueError.None)]
    [InlineData("hostile", 1, InvalidationQueueError.ReservedField)]
    public void A_mask_beyond_what_the_unit_has_stops_the_queue(string profile, int mask, InvalidationQueueError expected)
    {
        using InterruptWorld world = new(profile);
        world.Remapping.Submit(new InterruptEntryCacheDescriptor { Type = InvalidationDescriptorType.InterruptEntryCache, IndexSelective = true, IndexMask = mask }.Raw);
        Assert.Equal(expected, new InvalidationQueueErrorRecord(new(world.Remapping.Read(RegisterOffsets.InvalidationQueueErrorRecord))).Error);
    }

    [Fact]
    public void Nothing_is_allocated_on_the_way_of_an_interrupt()
    {
        using InterruptWorld world = new(HardwareProfile.Named("friendly") with { InterruptCacheSets = 2, InterruptCacheWays = 2 });
        for (int index = 0; index < 8; index++)
            world.Put(index, index % 2 == 0 ? InterruptWorld.Entry(0x61).Raw : InterruptWorld.Posted(0x61, 0).Raw);
        world.Put(8, (InterruptWorld.Entry(0x61) with { RedirectionHint = true }).Raw.With(1, true).With(14, true));
        world.Messages.EnsureCapacity(10_000);
        world.Faults.EnsureCapacity(10_000);
        RemappedPort port = world.Remapping.Port;
        byte[] data = new byte[4];
        Send(900);
        Allocation.CheckNone(20, _ => Send(90));

        void Send(int count)
        {
            for (int sent = 0; sent < count; sent++)
                _ = port.Write(new(0xFEE0_0010 + ((ulong)(sent % 9) << 5)), data);
        }
    }

    // A cache of translations as large as usual would only cost time here.
    private static HardwareProfile Small(string name) => HardwareProfile.Named(name) with { IotlbSets = 0, ContextCacheSets = 0 };

    private sealed record Step(Do What, int Index, int Number, ulong Word0, ulong Word1);

    /// <summary>One program, on the unit and on the model.</summary>
    private sealed class Run(HardwareProfile profile) : IDisposable
    {
        private readonly InterruptWorld _world = new(profile, sizeCode: 4, memoryBytes: 2 << 20);
        private readonly UInt128[] _table = new UInt128[Indices];

        // What may be cached of each index: entries as they were when a request read them, in the mode of that moment.
        private readonly HashSet<(UInt128 Entry, bool Extended)>[] _read = [.. Enumerable.Range(0, Indices).Select(_ => new HashSet<(UInt128, bool)>())];
        private bool _isEnabled = true;
        private bool _isExtended;
        private bool _allows;
        private int _entries = 32;

        public void Dispose() => _world.Dispose();

        public void Take(Step step)
        {
            switch (step.What)
            {
                case Do.Send:
                    Send(step);
                    break;
                case Do.SendCompatible:
                    _ = _world.SendRaw(0xFEE0_1000, (uint)step.Number, new(_sources[0]));
                    Compare([!_isEnabled || (_allows && !_isExtended) ? $"{0xFEE0_1000:X} {step.Number:X}" : "25 0 Recorded"]);
                    break;
                case Do.Put:
                    Put(step.Index, new UInt128(step.Word1, step.Word0));
                    break;
                case Do.Flip when step.Number != NearTableBit:
                    Put(step.Index, _table[step.Index] ^ (UInt128.One << step.Number));
                    break;
                case Do.Invalidate:
                    int mask = Math.Min(step.Number % 4, profile.ExtendedCapabilities.MaximumHandleMask);
                    _world.Invalidate(step.Index, mask);
                    Forget(step.Index >> mask << mask, 1 << mask);
                    break;
                case Do.InvalidateAll:
                    _world.InvalidateAll();
                    Forget(0, Indices);
                    break;
                case Do.SetTable:
                    _isExtended = step.Number % 2 == 1 && profile.ExtendedCapabilities.ExtendedInterruptMode;
                    _entries = 2 << (3 + (step.Number % 3 / 2));
                    _world.SetTable(3 + (step.Number % 3 / 2), step.Number % 2 == 1);
                    if (profile.Capabilities.EnhancedSetInterruptPointer)
                        Forget(0, Indices);
                    break;
                case Do.Allow:
                case Do.Switch:
                    _allows ^= step.What == Do.Allow;
                    _isEnabled ^= step.What == Do.Switch;
                    _world.Switch(new() { QueuedInvalidationEnable = true, CompatibilityFormatInterrupt = _allows, InterruptRemappingEnable = _isEnabled });
                    break;
                default:
                    break;
            }
        }

        private void Put(int index, UInt128 entry)
        {
            _table[index] = entry;
            _world.Put(index, new((ulong)entry, (ulong)(entry >> 64)));
        }

        private void Forget(int first, int count)
        {
            for (int index = first; index < Math.Min(first + count, Indices); index++)
                _read[index].Clear();
        }

        private void Send(Step step)
        {
            ushort source = _sources[step.Number % _sources.Length];
            int? subhandle = step.Number % 5 == 0 ? step.Number % 3 : null;
            int index = step.Index + (subhandle ?? 0);
            List<string> allowed = [];
            if (!_isEnabled)
            {
                allowed.Add($"{0xFEE0_0010 | (uint)(step.Index << 5) | (subhandle is null ? 0u : 8):X} {subhandle ?? 0:X}");
            }
            else if (index >= _entries)
            {
                allowed.Add($"21 {index} Recorded");
            }
            else
            {
                // An index beyond those that are written is not present.
                (UInt128, bool) now = (index < Indices ? _table[index] : 0, _isExtended);
                allowed.Add(Answer(now, index, source));
                if (index < Indices)
                {
                    allowed.AddRange(_read[index].Select(read => Answer(read, index, source)));
                    _read[index].Add(now);
                }
            }

            _ = _world.Send(step.Index, new(source), subhandle);
            Compare(allowed);
        }

        // What happened, as one line.
        private void Compare(IEnumerable<string> allowed)
        {
            string happened = string.Join(", ", [
                .. _world.Messages.Select(message => $"{message.Address:X} {message.Data:X}"),
                .. _world.Faults.Select(fault => $"{(int)fault.Fault.Reason:X} {fault.Fault.InterruptIndex} {(fault.Disposition == FaultDisposition.Suppressed ? "Suppressed" : "Recorded")}"),
            ]);
            _world.Messages.Clear();
            _world.Faults.Clear();
            Assert.Contains(happened, allowed);
        }

        // The sheet, sections 7.2 to 7.5, line by line.
        private string Answer((UInt128 Raw, bool Extended) entry, int index, ushort source)
        {
            string faulty = $" {index} {(Field(entry.Raw, 1, 1) == 1 ? "Suppressed" : "Recorded")}";
            if (Field(entry.Raw, 0, 0) == 0)
                return "22" + faulty;
            bool posted = Field(entry.Raw, 15, 15) == 1;
            bool reserved = Field(entry.Raw, 83, 82) == 3 || (posted
                ? !profile.Capabilities.PostedInterrupts || Any(entry.Raw, "7:2 13:12 37:24 95:84")
                : Any(entry.Raw, "14:12 31:24 127:84") || (!entry.Extended && Any(entry.Raw, "39:32 63:48")));
            int mode = Field(entry.Raw, 7, 5);
            bool strange = !posted && (mode is 3 or 6 || (mode == 1 && Field(entry.Raw, 3, 3) == 0));
            bool mine = IsMine(entry.Raw, source);
            if (reserved || (strange && (mine || profile.InterruptCheckOrder == InterruptCheckOrder.EntryFirst)))
                return "24" + faulty;
            if (!mine)
                return "26" + faulty;
            return posted ? Post(entry.Raw, faulty) : Remap(entry.Raw, entry.Extended);
        }

        private static string Remap(UInt128 raw, bool extended)
        {
            long to = extended ? Field(raw, 39, 32) : Field(raw, 47, 40);
            long above = extended ? (long)(ulong)(raw >> 40 & 0xFF_FFFF) : 0;
            long address = 0xFEE0_0000 | (to << 12) | (above << 40) | ((long)Field(raw, 3, 3) << 3) | ((long)Field(raw, 2, 2) << 2);
            return $"{address:X} {Field(raw, 23, 16) | (Field(raw, 7, 5) << 8) | 0x4000 | (Field(raw, 4, 4) << 15):X}";
        }

        // Descriptors are zero but for what was posted here: the first one is notified, to processor 0 with vector 0.
        private string Post(UInt128 raw, string faulty)
        {
            ulong at = ((ulong)(raw >> 96) << 32) | ((ulong)(raw >> 38 & 0x3FF_FFFF) << 6);
            Assert.True(_world.Memory.IsBacked(new(InterruptWorld.Descriptors), 1024));
            if (!_world.Memory.TryRead(new PhysicalAddress(at), out Bits512 before))
                return "27" + faulty;
            for (int bit = 258; bit < 512; bit++)
            {
                if (bit is not ((>= 272 and <= 279) or (>= 288 and <= 319)) && before.Bit(bit))
                    return "28" + faulty;
            }

            return before.Bit(256) || (before.Bit(257) && Field(raw, 14, 14) == 0)
                ? ""
                : $"{0xFEE0_0000 | (before.Bits(303, 296) << 12):X} {0x4000 | before.Bits(279, 272):X}";
        }

        private static bool IsMine(UInt128 raw, ushort source) => Field(raw, 83, 82) switch
        {
            0 => true,
            1 => Field(raw, 81, 80) switch
            {
                0 => source == Field(raw, 79, 64),
                1 => (source | 4) == (Field(raw, 79, 64) | 4),
                2 => (source | 6) == (Field(raw, 79, 64) | 6),
                _ => source >> 3 == Field(raw, 79, 64) >> 3,
            },
            _ => source >> 8 >= Field(raw, 79, 72) && source >> 8 <= Field(raw, 71, 64),
        };

        private static int Field(UInt128 raw, int high, int low) => (int)(uint)(raw >> low & ((1u << (high - low + 1)) - 1));

        private static bool Any(UInt128 raw, string ranges) => ranges.Split(' ').Any(range =>
        {
            int[] ends = [.. range.Split(':').Select(end => int.Parse(end, CultureInfo.InvariantCulture))];
            return (raw >> ends[1] & ((UInt128.One << (ends[0] - ends[1] + 1)) - 1)) != 0;
        });
    }
}
