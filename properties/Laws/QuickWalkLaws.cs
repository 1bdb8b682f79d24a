using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a port answers, by whatever quick way, beside the full story of the same address, on tables full of mistakes.</summary>
public sealed class QuickWalkLaws
{
    private const ulong FirstTable = 0x10_0000;
    private const int Tables = 12;
    private const int EntriesUsed = 4;
    private static readonly SourceId s_source = new(3, 7, 1);

    public static TheoryData<string, bool> Units()
    {
        TheoryData<string, bool> units = [];
        foreach (string name in ProfileChoice.Names)
        {
            units.Add(name, true);
            units.Add(name, false);
        }

        return units;
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void A_port_grants_exactly_what_the_full_walk_grants(string profile, bool caches) =>
        Property.Check(
            Gen.Choose(0, int.MaxValue),
            seed => Compare(HardwareProfile.Named(profile) with { TracksStaleness = false }, caches, new Random(seed)),
            40);

    private static void Compare(HardwareProfile profile, bool caches, Random random)
    {
        // The tables lie in the largest extent or beside it.
        using PhysicalMemory memory = new();
        memory.AddRam(new(0), 16 << 20);
        memory.AddRam(new(1ul << 32), random.Next(2) == 0 ? 8u << 20 : 32u << 20);

        AddressWidth[] widths = [.. Enum.GetValues<AddressWidth>().Where(profile.Supports)];
        AddressWidth width = widths[random.Next(widths.Length)];
        FillTables(memory, profile, random);
        RemappingUnit unit = Start(memory, caches ? profile : profile with { IotlbSets = 0 }, width);
        RemappedPort port = unit.Open(s_source);
        for (int count = 0; count < 100; count++)
        {
            Iova address = new(RandomAddress(random, (int)width + 2));
            bool write = random.Next(2) == 0;
            WalkTranscript story = unit.Explain(s_source, address, write);
            bool granted = port.TryTranslate(address, write, out PhysicalAddress target);
            Assert.True(story.Passes == granted, $"{address} {(write ? "write" : "read")}: {story.Fault}");
            if (granted)
                Assert.Equal(story.Target, target);
        }

        Assert.True(unit.Statistics.Translations == 100);
    }

    // Every table leads to tables below and beside it, and to pages; every now and then a bit is wrong.
    private static void FillTables(PhysicalMemory memory, HardwareProfile profile, Random random)
    {
        for (int table = 0; table < Tables; table++)
        {
            for (int index = 0; index < EntriesUsed; index++)
            {
                ulong target = FirstTable + ((ulong)random.Next(Tables) * 4096);
                ulong raw = target | (random.Next(8) == 0 ? (ulong)random.Next(4) : 3ul);
                if (random.Next(4) == 0)
                    raw = (raw & 3) | 0x80 | (target << 20 & Bits64.Mask(Math.Min(51, profile.HostAddressWidth - 1), 30));
                if (random.Next(6) == 0)
                    raw ^= 1ul << random.Next(64);
                Assert.True(memory.TryWrite(new(FirstTable + ((ulong)table * 4096) + ((ulong)index * 8)), raw));
            }
        }
    }

    private static ulong RandomAddress(Random random, int levels)
    {
        ulong address = (ulong)random.Next(4096);
        for (int level = 1; level <= levels; level++)
            address |= (ulong)random.Next(EntriesUsed) << (3 + (9 * level));
        return random.Next(20) == 0 ? address | (1ul << random.Next(64)) : address;
    }

    private static RemappingUnit Start(PhysicalMemory memory, HardwareProfile profile, AddressWidth width)
    {
        const ulong Root = 0x1000;
        const ulong Context = 0x2000;
        Assert.True(memory.TryWrite(new(Root + (16ul * s_source.Bus)), new RootEntry { Present = true, ContextTable = new(Context) }.Raw));
        Assert.True(memory.TryWrite(new(Context + (16ul * s_source.DeviceFunction)), new ContextEntry
        {
            Present = true,
            AddressWidth = width,
            DomainId = new(5),
            SecondStageTable = new(FirstTable),
        }.Raw));
        RemappingUnit unit = new(memory, new InterruptRouter(new EventLoop()), profile);
        unit.Write(RegisterOffsets.RootTableAddress, 8, new RootTableAddress { Table = new(Root) }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { TranslationEnable = true }.Raw.Value);
        return unit;
    }
}
