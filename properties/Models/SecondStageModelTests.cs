using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Second-stage tables of any shape against a list of mappings that is searched from end to end.</summary>
public sealed class SecondStageModelTests
{
    private const ulong Host = 1ul << 46;

    [Fact]
    public void A_walk_finds_what_was_mapped_with_the_rights_of_the_whole_way_and_nothing_else() =>
        Property.Check(Programs().ToArbitrary(), program => Run("friendly", program), 150);

    [Fact]
    public void A_unit_that_checks_rights_at_each_level_finds_the_same() =>
        Property.Check(Programs().ToArbitrary(), program => Run("qemu", program), 60);

    private static void Run(string name, Program program)
    {
        HardwareProfile profile = HardwareProfile.Named(name);
        AddressWidth width = profile.Supports(program.Width) ? program.Width : AddressWidth.Bits48;
        using RemappingWorld world = new(profile);
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top) with { AddressWidth = width });
        List<Mapping> model = [];
        foreach (Mapping mapping in program.Mappings)
        {
            // A place that is taken, above or below, stays as it is.
            Mapping placed = mapping with { Address = mapping.Address & (1ul << (30 + (9 * (int)width))) - 1 & ~(mapping.Bytes - 1) };
            if (model.Exists(other => placed.Overlaps(other)))
                continue;
            model.Add(placed);
            world.Map(top, width, placed.Address, Leaf(placed), placed.Level);
        }

        foreach (Narrowing narrowing in program.Narrowings)
        {
            if (model.Count != 0)
                Narrow(world, top, width, model, narrowing);
        }

        _ = world.Enable();
        foreach (ulong address in model.SelectMany(mapping => mapping.Edges()).Concat(program.Probes))
        {
            Compare(world, model, address & (1ul << (30 + (9 * (int)width))) - 1, write: false);
            Compare(world, model, address & (1ul << (30 + (9 * (int)width))) - 1, write: true);
        }
    }

    private static SecondStageEntry Leaf(Mapping mapping) => new()
    {
        Read = mapping.Read,
        Write = mapping.Write,
        PageSize = mapping.Level > 1,
        Address = new(mapping.Frame),
    };

    // Takes a right from a table on the way to a mapping: every mapping below that entry loses it.
    private static void Narrow(RemappingWorld world, PhysicalAddress top, AddressWidth width, List<Mapping> model, Narrowing narrowing)
    {
        Mapping chosen = model[narrowing.Which % model.Count];
        int level = Math.Min(chosen.Level + narrowing.Above, (int)width + 2);
        if (level == chosen.Level)
            return;
        PhysicalAddress place = world.EntryPlace(top, width, chosen.Address, level);
        Assert.True(world.Memory.TryRead(place, out ulong raw));
        SecondStageEntry entry = new(new(raw));
        world.Put(place, (narrowing.Write ? entry with { Write = false } : entry with { Read = false }).Raw.Value);
        int shift = 12 + (9 * (level - 1));
        for (int index = 0; index < model.Count; index++)
        {
            if (model[index].Level < level && model[index].Address >> shift == chosen.Address >> shift)
                model[index] = narrowing.Write ? model[index] with { Write = false } : model[index] with { Read = false };
        }
    }

    private static void Compare(RemappingWorld world, List<Mapping> model, ulong address, bool write)
    {
        if (InterruptRange.Contains(address))
            return;
        Mapping? found = model.Find(mapping => address - mapping.Address < mapping.Bytes);
        bool passes = found is not null && (write ? found.Write : found.Read);
        WalkTranscript told = world.Unit.Explain(RemappingWorld.Device, new(address), write);
        Assert.Equal(passes, told.Passes);

        // The first time from the tables, the second time from where that was remembered.
        for (int time = 0; time < 2; time++)
        {
            Assert.Equal(passes, world.Port.TryTranslate(new(address), write, out PhysicalAddress target));
            if (passes)
                Assert.Equal(new PhysicalAddress(found!.Frame + (address - found.Address)), target);
            else
                Assert.Equal(write ? FaultReason.WriteNotPermitted : FaultReason.ReadNotPermitted, world.TakeFault().Fault.Reason);
        }

        if (passes)
            Assert.Equal(found!.Bytes, told.PageBytes);
    }

    private static Gen<Program> Programs() =>
        from width in Gen.Elements(AddressWidth.Bits39, AddressWidth.Bits48, AddressWidth.Bits57)
        from mappings in Mappings().ListOf()
        from narrowings in Narrowings().ListOf()
        from probes in Addresses().ArrayOf(8)
        select new Program(width, [.. mappings], [.. narrowings.Take(4)], probes);

    private static Gen<Mapping> Mappings() =>
        from level in Gen.Frequency((5, Gen.Constant(1)), (2, Gen.Constant(2)), (1, Gen.Constant(3)))
        from address in Addresses()
        from frame in Gen.Choose(0, int.MaxValue)
        from read in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
        from write in Gen.Frequency((3, Gen.Constant(true)), (1, Gen.Constant(false)))
        let bytes = 1ul << (12 + (9 * (level - 1)))
        let place = ((ulong)frame * 4096 * 31 % Host) & ~(bytes - 1)
        where place + bytes <= InterruptRange.First || place > InterruptRange.Last
        select new Mapping(address, level, place, read, write);

    // Few places at each level, so that mappings meet in tables and in pages; at both ends of each table.
    private static Gen<ulong> Addresses() =>
        from indexes in Gen.Elements<ulong>(0, 1, 2, 255, 510, 511).ArrayOf(5)
        from offset in Gen.Choose(0, 4095)
        select indexes.Select((index, level) => index << (12 + (9 * level))).Aggregate((ulong)offset, (sum, part) => sum | part);

    private static Gen<Narrowing> Narrowings() =>
        from which in Gen.Choose(0, 1000)
        from above in Gen.Choose(1, 4)
        from write in Gen.Elements(true, false)
        select new Narrowing(which, above, write);

    private sealed record Program(AddressWidth Width, Mapping[] Mappings, Narrowing[] Narrowings, ulong[] Probes);

    private sealed record Narrowing(int Which, int Above, bool Write);

    private sealed record Mapping(ulong Address, int Level, ulong Frame, bool Read, bool Write)
    {
        public ulong Bytes => 1ul << (12 + (9 * (Level - 1)));

        public bool Overlaps(Mapping other) => Address < other.Address + other.Bytes && other.Address < Address + Bytes;

        public IEnumerable<ulong> Edges() => [Address, Address + (Bytes / 2), Address + Bytes - 1, Address + Bytes, Address - 1];
    }
}
