using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

public sealed class ReplayVerbTests
{
    private static string Example => Path.Combine(SharedFiles.RepositoryRoot, "docs", "replay-example.json");

    // What is replaced in the example, and by what.
    public static TheoryData<string, string> BadFiles =>
        new()
        {
            { "\"vtd-replay-1\"", "\"vtd-replay-2\"" },
            { "\"format\"", "\"fromat\"" },
            { "\"dma_read\"", "\"dma_reed\"" },
            { "\"sid\": \"0x20\"", "\"sid\": 32" },
            { "\"sid\": \"0x20\"", "\"sid\": \"0x10020\"" },
            { "\"sid\": \"0x20\"", "\"sid\": \"0x28\"" },
            { "\"sid\": \"0x20\"", "\"sid\": \"0x120\"" },
            { "\"00:04.0\"", "\"00:05.0\"" },
            { "\"len\": 16", "\"len\": \"16\"" },
            { "\"len\": 16", "\"len\": -1" },
            { "\"len\": 16", "\"len\": 2147483648" },
            { "\"len\": 16", "\"len\": 8192" },
            { "\"len\": 16", "\"len\": 15" },
            { "16777216", "16777217" },
            { "16777216", "0" },
            { "16777216", "1099511627776" },
            { "16777216", "\"16777216\"" },
            { "\"addr\": \"0x10000\"", "\"addr\": \"0xffffffffffffffff\"" },
            { "\"addr\": \"0x10000\"", "\"addr\": \"0x10000000000000000\"" },
            { "\"addr\": \"0x10000\"", "\"addr\": \"10000\"" },
            { "\"addr\": \"0x10000\"", "\"addr\": \"\\ud800\"" },
            { "\"off\": \"0x20\"", "\"off\": \"0x21\"" },
            { "\"off\": \"0x20\"", "\"off\": \"0xfffffff0\"" },
            { "\"size\": 8", "\"size\": 2" },
            { "\"value\": \"0x40000000\"", "\"value\": \"0x140000000\"" },
            { "\"status\": \"ok\"", "\"status\": \"fine\"" },
            { "\"status\": \"ok\"", "\"state\": \"ok\"" },
            { "\"cap\": \"0x80d2008c222f0606\"", "\"cap\": \"0x80d2008c222f0607\"" },
            { "\"ecap\": \"0xf00f4a\"", "\"ecap\": \"0xf0004a\"" },
            { "\"cases\": [", "\"cases\": 5, \"rest\": [" },
            { "\"steps\": [", "\"steps\": [], \"rest\": [" },
            { "\"steps\": [", "\"steps\": [null]," + " \"rest\": [" },
            { "\"devices\": {", "\"devices\": [], \"rest\": {" },
            { "\"edu0\": {", "\"edu1\": {\"sid\": \"0x20\"}, \"edu0\": {" },
        };

    [Fact]
    public void The_example_of_the_documentation_does_what_the_documentation_says()
    {
        ToolRun run = ToolRun.Of("replay", Example);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Empty(run.Error);
        string documentation = File.ReadAllText(Path.Combine(SharedFiles.RepositoryRoot, "docs", "replay.md")).ReplaceLineEndings("\n");
        Assert.Contains("```\n" + run.Output + "```\n", documentation, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_is_one_object_of_the_promised_shape()
    {
        using JsonDocument document = JsonDocument.Parse(ToolRun.Of("replay", Example, "--json").Output);
        JsonElement report = document.RootElement;
        Assert.Equal(3, report.GetProperty("cases").GetInt32());
        Assert.Equal(2, report.GetProperty("passed").GetInt32());
        Assert.Equal(1, report.GetProperty("deviations").GetInt32());
        Assert.Equal(0, report.GetProperty("failed").GetInt32());
        Assert.Empty(report.GetProperty("failures").EnumerateArray());
        JsonElement deviating = Assert.Single(report.GetProperty("deviating").EnumerateArray());
        Assert.Equal("example/bad-descriptor", deviating.GetProperty("id").GetString());
        Assert.Equal(["queue-error-record"], deviating.GetProperty("rules").EnumerateArray().Select(rule => rule.GetString()));
    }

    [Fact]
    public void A_wrong_answer_fails_with_its_step_and_the_fields_that_differ()
    {
        using TemporaryFile file = Changed("\"expect\": \"0x10\"", "\"expect\": \"0x0\"");
        ToolRun run = ToolRun.Of("replay", file.Path);
        Assert.Equal(ExitCode.Violation, run.ExitCode);
        Assert.Contains("FAIL       example/bad-descriptor", run.Output, StringComparison.Ordinal);
        Assert.Contains("step 7 (read FSTS)", run.Output, StringComparison.Ordinal);
        Assert.Contains("expected  FSTS 0h (IQE=0h)", run.Output, StringComparison.Ordinal);
        Assert.Contains("got       FSTS 10h (IQE=1h)", run.Output, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(ToolRun.Of("replay", file.Path, "--json").Output);
        JsonElement failure = Assert.Single(document.RootElement.GetProperty("failures").EnumerateArray());
        Assert.Equal("example/bad-descriptor", failure.GetProperty("id").GetString());
        Assert.Equal(7, failure.GetProperty("step").GetInt32());
        Assert.Equal("FSTS 0h (IQE=0h)", failure.GetProperty("expected").GetString());
        Assert.Equal("FSTS 10h (IQE=1h)", failure.GetProperty("got").GetString());
        Assert.Equal(ExitCode.Ok, ToolRun.Of("replay", file.Path, "--only", "example/t").ExitCode);
    }

    [Theory]
    [InlineData("example/", 3)]
    [InlineData("example/t", 1)]
    [InlineData("*-*", 2)]
    [InlineData("example/???????????", 0)]
    [InlineData("*translate", 1)]
    [InlineData("nothing", 0)]
    public void Only_those_cases_are_played_that_are_named(string only, int cases)
    {
        ToolRun run = ToolRun.Of("replay", Example, "--only", only, "--json");
        Assert.Equal(cases == 0 ? ExitCode.BadInput : ExitCode.Ok, run.ExitCode);
        if (cases == 0)
            return;
        using JsonDocument document = JsonDocument.Parse(run.Output);
        Assert.Equal(cases, document.RootElement.GetProperty("cases").GetInt32());
    }

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_file_with_a_mistake_is_refused_with_one_line(string right, string wrong)
    {
        using TemporaryFile file = Changed(right, wrong);
        Refused(ToolRun.Of("replay", file.Path));
        Refused(ToolRun.Of("replay", file.Path, "--json"));
    }

    [Fact]
    public void A_part_of_a_file_is_refused_wherever_it_ends()
    {
        byte[] whole = File.ReadAllBytes(Example);
        int end = whole.AsSpan().LastIndexOf((byte)'}');
        Property.Check(FsCheck.Fluent.Gen.Choose(0, end), length =>
        {
            using TemporaryFile file = new();
            File.WriteAllBytes(file.Path, whole[..length]);
            Refused(ToolRun.Of("replay", file.Path));
        });
    }

    [Fact]
    public void Noise_in_a_file_never_breaks_the_program()
    {
        byte[] whole = File.ReadAllBytes(Example);
        var noise = FsCheck.Fluent.Gen.SelectMany(
            FsCheck.Fluent.Gen.Choose(0, whole.Length - 1),
            at => FsCheck.Fluent.Gen.Select(FsCheck.Fluent.Gen.Choose(0, 255), value => (At: at, Value: (byte)value)));
        Property.Check(noise, change =>
        {
            byte[] bytes = [.. whole];
            bytes[change.At] = change.Value;
            using TemporaryFile file = new();
            File.WriteAllBytes(file.Path, bytes);
            ToolRun run = ToolRun.Of("replay", file.Path);
            Assert.InRange(run.ExitCode, ExitCode.Ok, ExitCode.BadInput);
            if (run.ExitCode == ExitCode.BadInput)
                Refused(run);
        });
    }

    [Theory]
    [InlineData("no/such/file.json")]
    [InlineData(".")]
    [InlineData("")]
    public void What_is_no_file_is_refused(string path) => Refused(ToolRun.Of("replay", path));

    [Fact]
    public void A_file_that_never_ends_is_refused()
    {
        Assert.SkipUnless(File.Exists("/dev/zero"), "There is no endless file here.");
        Refused(ToolRun.Of("replay", "/dev/zero"));
    }

    [Theory]
    [InlineData("friendly", ExitCode.Ok)]
    [InlineData("minimal", ExitCode.Ok)]
    [InlineData("nonsense", ExitCode.BadInput)]
    public void What_registers_do_not_tell_comes_from_a_profile(string profile, int exitCode) =>
        Assert.Equal(exitCode, ToolRun.Of("replay", Example, "--profile", profile).ExitCode);

    private static TemporaryFile Changed(string right, string wrong)
    {
        string text = File.ReadAllText(Example);
        Assert.Contains(right, text, StringComparison.Ordinal);
        TemporaryFile file = new();
        File.WriteAllText(file.Path, text.Replace(right, wrong, StringComparison.Ordinal));
        return file;
    }

    private static void Refused(ToolRun run)
    {
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Empty(run.Output);
        string line = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("dma: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", run.Error, StringComparison.Ordinal);
    }
}
