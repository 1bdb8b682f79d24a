using Dma.Iommu;
using FsCheck;
using Xunit.Sdk;

namespace Dma.Properties;

public sealed class HostileGuestTests
{
    private const int ProgramsPerProfile = 40;

    private static Arbitrary<HostileStep[]> Attacks => Generate.Program(HostileStep.Any, 50);

    [Theory]
    [InlineData("friendly")]
    [InlineData("hostile")]
    [InlineData("minimal")]
    [InlineData("qemu")]
    [InlineData("core-8th")]
    public void Whatever_a_guest_tells_its_controller_nothing_changes_but_what_it_mapped(string profile) =>
        Property.Check(Attacks, attack => Run(profile, Missing.Nothing, attack), ProgramsPerProfile);

    [Theory]
    [InlineData("friendly", (int)Missing.Translation)]
    [InlineData("hostile", (int)Missing.Invalidation)]
    public void Where_one_protection_is_missing_as_many_attacks_find_the_hole(string profile, int missing)
    {
        FailException found = Assert.Throws<FailException>(() =>
            Property.Check(Attacks, attack => Run(profile, (Missing)missing, attack), ProgramsPerProfile));
        Assert.Contains("which is not mapped for writing", found.Message, StringComparison.Ordinal);
        Assert.Contains("Shrunk", found.Message, StringComparison.Ordinal);
    }

    private static void Run(string profile, Missing missing, HostileStep[] attack)
    {
        using HostileGuest guest = new(HardwareProfile.Named(profile), missing);
        foreach (HostileStep step in attack)
            step.Take(guest);
        guest.CheckFaults();
    }
}
