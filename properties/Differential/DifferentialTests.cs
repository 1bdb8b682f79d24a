using Dma.Iommu;
using Dma.Iommu.Spec;
using FsCheck;

namespace Dma.Properties;

/// <summary>The same programs on our unit and on QEMU's: what the manual makes binding is the same on both.</summary>
public sealed class DifferentialTests
{
    private readonly ITestOutputHelper _output = TestContext.Current.TestOutputHelper!;

    [Theory]
    [InlineData("aw-bits=48")]
    public void Legacy_mode_is_the_same_here_and_in_QEMU(string properties)
    {
        Assert.SkipUnless(QemuProcess.Missing is null, $"The differential test is skipped. {QemuProcess.Missing}");
        using QemuMachine theirs = new(properties);
        HardwareProfile profile = QemuProfile.Of(theirs, properties);
        RuleUse use = new();
        using OurMachine ours = new(profile);
        using DifferentialRun run = new(ours, theirs, DifferenceRules.InLegacyMode, use);
        int played = 0;
        DateTime start = DateTime.UtcNow;
        try
        {
            Property.Check(new ProgramGenerator(profile, TranslationTableMode.Legacy).Programs, program => { played++; run.Play(program); }, 5);
        }
        finally
        {
            _output.WriteLine($"{played} programs in {DateTime.UtcNow - start}\n{use}");
        }
    }
}
