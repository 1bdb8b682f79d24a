using System.Diagnostics;

namespace Dma.Properties;

/// <summary>Each numbered sample says at its end what it prints; these tests hold it to that.</summary>
public sealed class SampleTests
{
    private const string Heading = "// It prints:";
    private const string Switch = "DMA_SAMPLES";
    private const int LinesMax = 100;

    public static TheoryData<string> Samples =>
        [.. Directory.GetFiles(Folder, "??-*.cs").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static string Folder => Path.Combine(SharedFiles.RepositoryRoot, "samples");

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_is_short_and_says_what_it_prints(string name)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Folder, name));
        Assert.True(lines.Length < LinesMax, $"{name} has {lines.Length} lines.");
        Assert.NotEmpty(Promised(lines));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_prints_what_it_says(string name)
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Switch) == "1", $"Building and running samples takes a while; {Switch}=1 does it.");
        ProcessStartInfo start = new("dotnet", ["run", Path.Combine(Folder, name)]) { RedirectStandardOutput = true };

        // A build server would outlive the run and hold its output open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        using Process sample = Process.Start(start)!;
        string[] printed = sample.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        sample.WaitForExit();
        Assert.Equal(0, sample.ExitCode);
        Assert.Equal(Promised(File.ReadAllLines(Path.Combine(Folder, name))), printed.Select(line => line.TrimEnd('\r')));
    }

    private static string[] Promised(string[] lines) =>
        [.. lines.SkipWhile(line => line != Heading).Skip(1).Select(line => line[3..])];
}
