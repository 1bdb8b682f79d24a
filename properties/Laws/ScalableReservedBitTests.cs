using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Every bit of every structure of scalable mode: reserved ones are refused where the entry is present, and only they.</summary>
public sealed class ScalableReservedBitTests
{
    private const int Host = 46;

    [Fact]
    public void Root_context_and_directory_entries()
    {
        int[] address = [.. Enumerable.Range(Host, 64 - Host)];
        Check(FaultReason.ScalableRootReserved, (_, _) => ScalableWorld.RootPlace, 64, [.. Enumerable.Range(1, 11), .. address]);
        Check(FaultReason.ScalableContextReserved, (world, _) => world.ContextPlace, 256, [.. Enumerable.Range(5, 4), .. address, .. Enumerable.Range(85, 171)]);
        Check(FaultReason.PasidDirectoryReserved, (world, _) => world.DirectoryPlace(ScalableFaultCases.Pasid), 64, [.. Enumerable.Range(2, 10), .. address]);
    }

    [Fact]
    public void PASID_entries_of_each_kind()
    {
        int[] always = [5, 10, 11, .. Enumerable.Range(80, 7), .. Enumerable.Range(89, 39), .. Enumerable.Range(136, 4), .. Enumerable.Range(192, 320)];
        int[] second = [.. Enumerable.Range(Host, 64 - Host)];
        int[] first = [.. Enumerable.Range(128 + Host, 64 - Host)];
        PhysicalAddress Place(ScalableWorld world, PasidTableEntry entry) => world.PasidPlace(ScalableFaultCases.Pasid);
        Check(FaultReason.PasidEntryReserved, Place, 512, [.. always, .. first], PasidTranslationType.FirstStage);
        Check(FaultReason.PasidEntryReserved, Place, 512, [.. always, .. second], PasidTranslationType.SecondStage);
        Check(FaultReason.PasidEntryReserved, Place, 512, [.. always, .. second], PasidTranslationType.Nested);
        Check(FaultReason.PasidEntryReserved, Place, 512, always, PasidTranslationType.PassThrough);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void First_stage_entries_of_each_level(bool noExecute)
    {
        int[] always = [.. Enumerable.Range(Host, 52 - Host), .. noExecute ? (int[])[] : [63]];
        for (int level = 1; level <= 4; level++)
        {
            // PS makes a page of an entry of level 2 or 3, whose table address is none of a page.
            int at = level;
            int[] reserved = level == 1 ? always : [7, .. always];
            Check(FaultReason.FirstStageReserved, (world, entry) => Without(world, entry, noExecute, at), 64, reserved, PasidTranslationType.FirstStage);
        }
    }

    [Theory]
    [InlineData(2, 20)]
    [InlineData(3, 29)]
    public void First_stage_superpages(int level, int last)
    {
        int[] reserved = [.. Enumerable.Range(13, last - 12), .. Enumerable.Range(Host, 52 - Host)];
        PhysicalAddress Place(ScalableWorld world, PasidTableEntry entry) =>
            world.MapFirst(entry, ScalableFaultCases.Address, 7, level);
        Check(FaultReason.FirstStageReserved, Place, 64, reserved, PasidTranslationType.FirstStage);
    }

    [Fact]
    public void A_first_stage_page_of_1_GiB_where_the_unit_has_none()
    {
        HardwareProfile profile = HardwareProfile.Named("friendly-scalable");
        using ScalableWorld world = new(profile with { Capabilities = profile.Capabilities with { FirstStage1G = false } });
        PasidTableEntry entry = world.Entry(PasidTranslationType.FirstStage);
        world.PutPasid(ScalableFaultCases.Pasid, entry);
        _ = world.MapFirst(entry, 0, 7, 3);
        Assert.False(world.World.Port.TryTranslate(default, false, ScalableFaultCases.User, out _));
        Assert.Equal(FaultReason.FirstStageReserved, world.World.TakeFault().Fault.Reason);
    }

    // The first-stage entry of a level, in a world where XD has a meaning or has none.
    private static PhysicalAddress Without(ScalableWorld world, PasidTableEntry entry, bool noExecute, int level)
    {
        world.PutPasid(ScalableFaultCases.Pasid, entry with { NoExecuteEnabled = noExecute });
        return ScalableFaultCases.FirstPlace(world, entry, level);
    }

    private static void Check(
        FaultReason reason, Func<ScalableWorld, PasidTableEntry, PhysicalAddress> place, int bits, int[] reserved, PasidTranslationType type = PasidTranslationType.FirstStage)
    {
        using ScalableWorld world = ScalableFaultCases.Create(new(reason, default, type, (_, _) => { }), out PasidTableEntry entry);
        PhysicalAddress at = place(world, entry);
        for (int bit = 0; bit < bits; bit++)
        {
            PhysicalAddress word = at + ((ulong)(bit >> 6) * 8);
            ulong before = world.Get<ulong>(word);
            if (new Bits64(before).Bit(bit & 63))
                continue;
            world.Put(word, before ^ (1ul << (bit & 63)));
            WalkTranscript told = world.World.Unit.Explain(RemappingWorld.Device, new(ScalableFaultCases.Address), false, ScalableFaultCases.User);
            world.Put(word, before);
            Assert.True(reserved.Contains(bit) == (told.Fault == reason), $"{reason}, {type}, bit {bit}: {told.Fault}");
        }

        // Where nothing is present nothing is reserved.
        world.Put(at, ~1ul);
        Assert.NotEqual(reason, world.World.Unit.Explain(RemappingWorld.Device, new(ScalableFaultCases.Address), false, ScalableFaultCases.User).Fault);
    }
}
