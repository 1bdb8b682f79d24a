using System.Diagnostics;
using Dma.Iommu;
using Dma.Iommu.Spec;

[assembly: AssemblyFixture(typeof(Dma.Properties.DifferentialReport))]

namespace Dma.Properties;

/// <summary>The same programs on our unit and on QEMU's: what the manual makes binding is the same on both.</summary>
public abstract class DifferentialTests(DifferentialReport report)
{
    // How many programs all kinds of units together play, if DMA_DIFFERENTIAL does not say; and how many kinds there are.
    private const int ProgramsUsual = 40;
    private const int Kinds = 8;

    // DMA_DEPTH multiplies the usual number. One that somebody asks for is what is played.
    private static int Programs =>
        int.TryParse(Environment.GetEnvironmentVariable("DMA_DIFFERENTIAL"), out int wanted)
            ? Math.Max(1, (int)Math.Ceiling(wanted / Math.Max(1, Property.Depth) / Kinds))
            : ProgramsUsual / Kinds;

    /// <summary>Plays a share of all programs on one kind of unit.</summary>
    /// <param name="properties">The properties of QEMU's unit.</param>
    /// <param name="mode">The mode of the tables.</param>
    protected void Play(string properties, TranslationTableMode mode)
    {
        Assert.SkipUnless(QemuProcess.Missing is null, $"The differential test is skipped. {QemuProcess.Missing}");
        RuleUse use = new();
        int played = 0;
        Stopwatch time = Stopwatch.StartNew();
        using QemuMachine theirs = new(properties);
        HardwareProfile profile = QemuProfile.Of(theirs, properties);
        using OurMachine ours = new(profile);
        using DifferentialRun run = new(ours, theirs, DifferenceRules.In(mode), use);
        try
        {
            Property.Check(
                new ProgramGenerator(profile, mode).Programs,
                program =>
                {
                    played++;
                    run.Play(program);
                },
                Programs,
                properties);
        }
        finally
        {
            TestContext.Current.TestOutputHelper!.WriteLine(report.Add(properties, mode, played, time.Elapsed, use));
        }
    }
}

/// <summary>Legacy mode.</summary>
public sealed class LegacyDifferentialTests(DifferentialReport report) : DifferentialTests(report)
{
    [Theory]
    [InlineData("aw-bits=48")]
    [InlineData("aw-bits=39")]
    [InlineData("aw-bits=48,caching-mode=on")]
    [InlineData("aw-bits=48,snoop-control=on,pt=off")]
    public void A_unit_in_legacy_mode_does_what_that_of_QEMU_does(string properties) =>
        Play(properties, TranslationTableMode.Legacy);
}

/// <summary>Scalable mode, and legacy mode with device TLBs: apart from the others, so that two emulators run side by side.</summary>
public sealed class ScalableDifferentialTests(DifferentialReport report) : DifferentialTests(report)
{
    [Theory]
    [InlineData("aw-bits=48,x-scalable-mode=on")]
    [InlineData("aw-bits=39,x-scalable-mode=on")]
    [InlineData("aw-bits=48,x-scalable-mode=on,caching-mode=on")]
    public void A_unit_in_scalable_mode_does_what_that_of_QEMU_does(string properties) =>
        Play(properties, TranslationTableMode.Scalable);

    [Fact]
    public void A_unit_with_device_TLBs_does_what_that_of_QEMU_does() =>
        Play("aw-bits=39,device-iotlb=on", TranslationTableMode.Legacy);
}
