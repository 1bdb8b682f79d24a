using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Scalable mode has a context table for each half of a bus: entries of both are found by seven bits.</summary>
public sealed class UpperContextTests
{
    [Theory]
    [InlineData(0x80)]
    [InlineData(0xA3)]
    [InlineData(0xFF)]
    public void A_device_of_the_upper_half_has_its_entry_in_the_upper_table(int function)
    {
        using ScalableWorld world = new(HardwareProfile.Named("friendly-scalable"));
        PasidTableEntry entry = world.Entry(PasidTranslationType.SecondStage);
        world.PutPasid(world.Context.RequesterPasid, entry);
        _ = world.MapSecond(entry, 0x5000, 0x7000 | 3);
        ulong upper = world.Tables.NewPage();
        ScalableRootEntry root = new(world.Get<Bits128>(ScalableWorld.RootPlace));
        world.Put(ScalableWorld.RootPlace, (root with { UpperPresent = true, UpperContextTable = new(upper) }).Raw);
        world.Put(new(upper + (32ul * (uint)(function & 0x7F))), world.Context.Raw);
        RemappedPort port = world.World.Unit.Open(new((ushort)function));
        Assert.True(port.TryTranslate(new(0x5123), write: false, out PhysicalAddress target));
        Assert.Equal(0x7123ul, target.Value);

        // The entry at the same place of the lower table is another device's.
        Assert.False(world.World.Unit.Open(new((ushort)(function & 0x7F))).TryTranslate(new(0x5123), write: false, out _));
    }
}
