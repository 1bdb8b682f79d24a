using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>A unit is what its capability registers say, whoever wrote them down.</summary>
public sealed class HardwareProfileTests
{
    [Fact]
    public void Any_registers_make_a_unit_or_are_refused_with_a_reason() => Property.Check(
        from version in Gen.Choose(0, 255)
        from capabilities in Generate.Any64
        from extended in Generate.Any64
        from width in Gen.Choose(32, 52)
        select (version, capabilities, extended, width),
        given =>
        {
            HardwareProfile profile;
            try
            {
                profile = HardwareProfile.From(
                    new(new((ulong)given.version)), new(new(given.capabilities)), new(new(given.extended)), given.width);
            }
            catch (ArgumentException refusal)
            {
                Assert.Contains($"cap {given.capabilities:x} ecap {given.extended:x}", refusal.Message, StringComparison.Ordinal);
                return;
            }

            using RemappingWorld world = new(profile, 1 << 20);
            Assert.Equal((ulong)given.version, world.Read(RegisterOffsets.Version));
            Assert.Equal(given.capabilities, world.Read(RegisterOffsets.Capability));
            Assert.Equal(given.extended, world.Read(RegisterOffsets.ExtendedCapability));
            for (int offset = 0; offset < world.Unit.WindowLength; offset += 4)
                world.Write(offset, ulong.MaxValue, 4);
            _ = world.Port.Write(new(0x1000), new byte[4]);
            Assert.Equal(given.capabilities, world.Read(RegisterOffsets.Capability));
        },
        500);

    [Fact]
    public void Registers_that_would_lie_over_each_other_are_refused_by_name()
    {
        HardwareProfile friendly = HardwareProfile.Named("friendly");
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities, friendly.ExtendedCapabilities with { IotlbRegisterOffset = 0 }));
        Assert.Contains("IOTLB lies over CAP", refusal.Message, StringComparison.Ordinal);
        _ = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities with { DomainsCode = 7 }, friendly.ExtendedCapabilities));
        _ = Assert.Throws<ArgumentException>(() => HardwareProfile.From(
            friendly.Version, friendly.Capabilities, friendly.ExtendedCapabilities, 53));
    }
}
