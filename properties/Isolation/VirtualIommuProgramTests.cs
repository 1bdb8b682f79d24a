using Dma.Iommu;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Guests that write anything into the tables of their own remapping units, invalidate some of it, and let devices loose.</summary>
public sealed class VirtualIommuProgramTests
{

    private static Gen<Step> Steps => StepsOf(Gen.Frequency(
        (12, Gen.Constant(What.Edit)), (2, Gen.Constant(What.EditContext)), (5, Gen.Constant(What.InvalidateIotlb)), (2, Gen.Constant(What.InvalidateContext)),
        (2, Gen.Constant(What.InvalidateAll)), (8, Gen.Constant(What.Write)), (6, Gen.Constant(What.Read)), (1, Gen.Constant(What.SetRoot)),
        (1, Gen.Constant(What.Translate)), (1, Gen.Constant(What.Reassign))));

    // Page tables and what is cached of them, with nothing above them that breaks.
    private static Gen<Step> StepsOfPages => StepsOf(Gen.Frequency(
        (5, Gen.Constant(What.Edit)), (6, Gen.Constant(What.InvalidateIotlb)), (6, Gen.Constant(What.Write)), (6, Gen.Constant(What.Read))));

    private static Gen<Step> StepsOf(Gen<What> whats) =>
        from what in whats
        from device in Gen.Choose(0, 1)
        from place in Gen.Choose(0, 1 << 20)
        from kind in Gen.Choose(0, 19)
        from value in Gen.Choose(0, 1 << 20)
        from bits in Generate.Any64
        select new Step(what, device, place, kind, value, bits);

    public static TheoryData<string, VirtualIommuMode> Units => new()
    {
        { "friendly", VirtualIommuMode.Shadow },
        { "hostile", VirtualIommuMode.Shadow },
        { "minimal", VirtualIommuMode.Shadow },
        { "qemu", VirtualIommuMode.Shadow },
        { "xeon-scalable", VirtualIommuMode.Shadow },
        { "friendly-scalable", VirtualIommuMode.Nested },
        { "hostile-scalable", VirtualIommuMode.Nested },
    };

    [Theory]
    [MemberData(nameof(Units))]
    public void A_device_is_answered_what_the_guests_tables_say_or_said_since_the_last_invalidation(string profile, VirtualIommuMode mode) =>
        Property.Check(Generate.Program(Steps, 60), program => Run(profile, mode, program, forgetsPages: false), 134);

    [Theory]
    [InlineData("friendly", VirtualIommuMode.Shadow)]
    [InlineData("friendly-scalable", VirtualIommuMode.Nested)]
    public void A_VMM_that_does_not_follow_invalidations_of_pages_is_found_out(string profile, VirtualIommuMode mode)
    {
        int found = 0;
        Property.Check(
            Gen.ArrayOf(StepsOfPages, 60),
            program =>
            {
                try
                {
                    Run(profile, mode, program, forgetsPages: true);
                }
                catch (Xunit.Sdk.XunitException)
                {
                    found++;
                }
            },
            200);
        Assert.True(found > 0);
    }

    private static void Run(string profile, VirtualIommuMode mode, Step[] program, bool forgetsPages)
    {
        using VirtualIommuWorld world = new(HardwareProfile.Named(profile), mode, forgetsPages);
        foreach (Step step in program)
            world.Take(step);
        world.End();
    }

    internal enum What
    {
        Edit,
        EditContext,
        InvalidateIotlb,
        InvalidateContext,
        InvalidateAll,
        Write,
        Read,
        SetRoot,
        Translate,
        Reassign,
    }

    internal sealed record Step(What What, int Device, int Place, int Kind, int Value, ulong Bits)
    {
        public override string ToString() => $"{What} {Device} {Place} {Kind} {Value} {Bits:X}";
    }
}
