using System.Runtime.InteropServices;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>First, second and nested stages of any shape against lists of pages, and what walks leave behind in the tables.</summary>
public sealed class ScalableModelTests
{
    private const ulong FirstTable = 16 << 20;
    private static readonly Pasid s_pasid = new(0x54321);

    private enum Kind
    {
        Read,
        Write,
        Execute,
        Atomic,
    }

    [Fact]
    public void A_walk_finds_what_the_lists_say_and_refuses_for_the_reason_that_they_say() =>
        Property.Check(ScalableProgram.Any(), program => Run(program, "friendly-scalable", RightsOrder.AfterTheWalk), 100);

    [Fact]
    public void A_unit_that_checks_rights_at_each_level_grants_the_same() =>
        Property.Check(ScalableProgram.Any(), program => Run(program, "friendly-scalable", RightsOrder.AtEachLevel), 40);

    private static void Run(ScalableProgram program, string name, RightsOrder order)
    {
        using ScalableWorld world = new(HardwareProfile.Named(name) with { RightsOrder = order });
        ScalableTables tables = new(world, program, s_pasid);
        List<StagePage> outer = tables.HasFirst ? tables.FirstPages : tables.SecondPages;
        IEnumerable<ulong> addresses = outer.SelectMany(page => new[] { page.Address, page.Address + page.Bytes - 8, page.Address + page.Bytes });
        Trial trial = new(world, program, tables, order);
        int turn = 0;
        foreach (ulong address in addresses.Concat(program.Probes))
        {
            // Each kind of request, as user and as supervisor, in turns.
            for (int count = 0; count < 3; count++, turn++)
                trial.Compare(address, (Kind)(turn % 4), privileged: turn / 4 % 2 != 0);
        }
    }

    // One set of tables, and the memory for copies of them.
    private sealed class Trial(ScalableWorld world, ScalableProgram program, ScalableTables tables, RightsOrder order)
    {
        private readonly ulong[] _before = new ulong[(world.Tables.Free - FirstTable) / 8];
        private readonly ulong[] _marked = new ulong[(world.Tables.Free - FirstTable) / 8];
        private readonly ulong[] _now = new ulong[(world.Tables.Free - FirstTable) / 8];

        public void Compare(ulong address, Kind kind, bool privileged)
        {
            (FaultReason expected, ulong target, ulong bytes) = Predict(program, tables, address, kind, privileged);
            bool write = kind is Kind.Write or Kind.Atomic;
            DmaAttributes attributes = new() { Pasid = s_pasid, Privileged = privileged, Execute = kind == Kind.Execute, Atomic = kind == Kind.Atomic };

            // The story changes nothing; the request marks entries; a second one finds them marked.
            Read(_before);
            WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(address), write, attributes);
            Same(_before, Read(_now));
            _before.CopyTo(_marked, 0);
            if (expected == FaultReason.None)
                Mark(world, program, tables, address, write, _marked);
            bool passes = Translate(address, write, attributes, out PhysicalAddress landed);
            Assert.True(passes == told.Passes && passes == (expected == FaultReason.None), $"{kind} {address:X}h, {(privileged ? "supervisor" : "user")}: {expected} by the lists, {told.Fault} by the story, {(passes ? "passed" : "refused")}.");
            if (!passes)
            {
                RemappingFault fault = world.World.TakeFault().Fault;
                Assert.Equal(told.Fault, fault.Reason);
                if (order == RightsOrder.AfterTheWalk)
                    Assert.Equal(expected, fault.Reason);
                OnlyAccessed(program, tables, write && IsOfSecondStage(expected), _before, Read(_now));
                return;
            }

            Assert.Equal((new(target), new(target), bytes), (landed, told.Target, told.PageBytes));
            Same(_marked, Read(_now));
            Assert.True(Translate(address, write, attributes, out landed));
            Assert.Equal(target, landed.Value);
            Same(_marked, Read(_now));
        }

        private bool Translate(ulong address, bool write, DmaAttributes attributes, out PhysicalAddress target) =>
            world.World.Port.TryTranslate(new(address), write, attributes, out target);

        // All tables of both stages, as quadwords.
        private ulong[] Read(ulong[] words)
        {
            Assert.True(world.Memory.TryRead(new PhysicalAddress(FirstTable), MemoryMarshal.AsBytes(words.AsSpan())));
            return words;
        }
    }

    private static (FaultReason Fault, ulong Target, ulong Bytes) Predict(ScalableProgram program, ScalableTables tables, ulong address, Kind kind, bool privileged)
    {
        bool write = kind is Kind.Write or Kind.Atomic;
        ulong at = address;
        ulong bytes = ulong.MaxValue;
        if (tables.HasFirst)
        {
            if (address >> (11 + (9 * program.FirstLevels)) != 0)
                return (FaultReason.AddressNotCanonical, 0, 0);
            if (tables.FirstPages.Find(page => page.Holds(address)) is not { } found)
                return (FaultReason.FirstStageNotPresent, 0, 0);
            if (!privileged && !found.User)
                return (FaultReason.UserNotPermitted, 0, 0);
            if (write && !found.Write && !(privileged && !program.WriteProtect))
                return (FaultReason.ScalableWriteNotPermitted, 0, 0);
            if (kind == Kind.Execute && ((program.NoExecute && !found.Execute) || (privileged && program.NoSupervisorExecution && found.User)))
                return (FaultReason.ExecuteNotPermitted, 0, 0);
            at = found.Frame + (address - found.Address);
            bytes = found.Bytes;
        }

        if (tables.HasSecond)
        {
            if (at >> (12 + (9 * program.SecondLevels)) != 0)
                return (FaultReason.ScalableAddressBeyondWidth, 0, 0);
            if (tables.SecondPages.Find(page => page.Holds(at)) is not { } found || (!found.Read && !found.Write))
                return (FaultReason.ScalableSecondStageNotPresent, 0, 0);
            if (write && !found.Write)
                return (FaultReason.ScalableWriteNotPermitted, 0, 0);
            if (kind != Kind.Write && !found.Read)
                return (FaultReason.ScalableReadNotPermitted, 0, 0);
            at = found.Frame + (at - found.Address);
            bytes = Math.Min(bytes, found.Bytes);
        }

        return InterruptRange.Contains(at) ? (FaultReason.ScalableOutputInInterruptRange, 0, 0) : (FaultReason.None, at, bytes);
    }

    // What the tables are after a request that passed: bits of the entries that it used, and nothing else.
    private static void Mark(ScalableWorld world, ScalableProgram program, ScalableTables tables, ulong address, bool write, ulong[] marked)
    {
        void Set(ulong place, ulong bits) => marked[(place - FirstTable) / 8] |= bits;
        void SetSecond(ulong guest, bool dirty)
        {
            if (!program.SecondStageMarks)
                return;
            List<ulong> places = tables.SecondPlaces(guest);
            foreach (ulong place in places)
                Set(place, 1 << 8);
            if (dirty)
                Set(places[^1], 1 << 9);
        }

        ulong at = address;
        if (tables.HasFirst)
        {
            List<ulong> places = tables.FirstPlaces(address);
            for (int index = 0; index < places.Count; index++)
            {
                ulong bits = (1ul << 5) | (program.ExtendedAccessed ? 1ul << 10 : 0) | (write && index == places.Count - 1 ? 1ul << 6 : 0);
                bool updated = (world.Get<ulong>(new(places[index])) & bits) != bits;
                Set(places[index], bits);

                // Nested: the entry was read through the second stage, and if it was updated, written through it.
                if (tables.HasSecond)
                    SetSecond(places[index] + tables.Moved, updated);
            }

            StagePage found = tables.FirstPages.Find(page => page.Holds(address))!;
            at = found.Frame + (address - found.Address);
        }

        if (tables.HasSecond)
            SetSecond(at, write);
    }

    private static bool IsOfSecondStage(FaultReason reason) => reason is
        FaultReason.ScalableAddressBeyondWidth or FaultReason.ScalableSecondStageNotPresent
        or FaultReason.ScalableReadNotPermitted or FaultReason.ScalableWriteNotPermitted;

    // A refused request leaves accessed bits at most, and a dirty one in a first stage that permitted it; nested, they
    // were written through the second stage.
    private static void OnlyAccessed(ScalableProgram program, ScalableTables tables, bool dirties, ulong[] before, ulong[] after)
    {
        ulong allowed = tables.HasFirst ? (1ul << 5) | (program.ExtendedAccessed ? 1ul << 10 : 0) | (dirties && tables.HasSecond ? 1ul << 6 : 0) : 0;
        if (tables.HasSecond && program.SecondStageMarks)
            allowed |= (1 << 8) | (tables.HasFirst ? 1ul << 9 : 0);
        for (int index = 0; index < after.Length; index++)
            after[index] &= ~((after[index] ^ before[index]) & allowed);
        Same(before, after);
    }

    private static void Same(ReadOnlySpan<ulong> expected, ReadOnlySpan<ulong> actual)
    {
        int at = expected.CommonPrefixLength(actual);
        if (at < expected.Length)
            Assert.Fail($"The entry at {FirstTable + ((ulong)at * 8):X}h is {actual[at]:X}h instead of {expected[at]:X}h.");
    }
}
