using System.Security.Cryptography;
using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

public sealed class CommandLineTests
{
    // Words, with a bar between them.
    public static TheoryData<string> BadLines =>
    [
        "frobnicate",
        "run",
        "run|frobnicate",
        "run|direct-dma|frobnicate",
        "--frobnicate",
        "--disk",
        "--disk|",
        "--disk|no/such/disk.img",
        "--disk|.",
        "--profile|frobnicate",
        "--profile|",
        "--seed|x",
        "--seed|-1",
        "--seed|1.5",
        "--seed|18446744073709551616",
        "--seed|0x10",
        "--seed|1|--seed|2",
        "@frobnicate",
        "--dump|no/such/folder/memory.img",
        "--pcap|no/such/folder/bus.pcapng",
        "--pcap|.",
        "audit",
        "audit|--memory|no/such/memory.img|--root|0",
        "audit|--memory|.|--root|0",
        "audit|--memory|no/such/memory.img",
        "audit|--root|0x1000",
        "audit|--memory|x|--root|frobnicate",
        "audit|--memory|x|--root|0x10000000000000000",
        "audit|--memory|x|--root|",
        "audit|--memory|x|--root|0x1400",
        "audit|--memory|x|--root|0|--mode|frobnicate",
        "audit|--memory|x|--root|0|--format|frobnicate",
        "audit|--memory|x|--root|0|--irta|-1",
    ];

    [Theory]
    [MemberData(nameof(BadLines))]
    public void A_bad_line_is_refused_with_one_line_on_standard_error(string line)
    {
        string[] words = line.Split('|');
        Refused(ToolRun.Of(words));
        Refused(ToolRun.Of([.. words, "--json"]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(513)]
    public void A_file_that_is_not_made_of_sectors_is_no_disk(int bytes)
    {
        using TemporaryFile file = new();
        File.WriteAllBytes(file.Path, new byte[bytes]);
        Refused(ToolRun.Of("--disk", file.Path));
        Assert.Equal(bytes, new FileInfo(file.Path).Length);
    }

    [Fact]
    public void A_file_that_may_not_be_read_is_no_disk()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The rights of a file are those of Unix here.");
        using TemporaryFile file = new();
        File.WriteAllBytes(file.Path, new byte[512]);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file.Path, UnixFileMode.None);
        Assert.SkipWhen(CanRead(file.Path), "Whoever runs this may read every file.");
        Refused(ToolRun.Of("--disk", file.Path));
    }

    [Fact]
    public void A_file_that_may_not_be_written_is_no_writable_disk()
    {
        using TemporaryFile file = new();
        File.WriteAllBytes(file.Path, new byte[512]);
        File.SetAttributes(file.Path, FileAttributes.ReadOnly);
        Assert.SkipWhen(CanWrite(file.Path), "Whoever runs this may write every file.");
        Refused(ToolRun.Of("--disk", file.Path, "--writable"));
        File.SetAttributes(file.Path, FileAttributes.Normal);
    }

    [Theory]
    [InlineData("--help", "Examples:")]
    [InlineData("-h", "run")]
    [InlineData("-?", "Exit code:")]
    [InlineData("run --help", "direct-dma")]
    [InlineData("run direct-dma --help", "dma run direct-dma --disk disk.img")]
    [InlineData("frobnicate --help", "Usage:")]
    public void Help_is_help_wherever_it_is_asked_for(string line, string expected)
    {
        ToolRun run = ToolRun.Of(line.Split(' '));
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains(expected, run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Every_example_of_the_help_works()
    {
        string[] lines = ToolRun.Of("run", "direct-dma", "--help").Output.Split('\n');
        using TemporaryFile disk = new();
        using TemporaryFile memory = new();
        using TemporaryFile capture = new();
        File.WriteAllBytes(disk.Path, new byte[4096]);
        string[] examples = [.. lines.SkipWhile(line => line != "Examples:").Where(line => line.StartsWith("  dma ", StringComparison.Ordinal))];
        Assert.NotEmpty(examples);
        Assert.All(examples, example =>
        {
            IEnumerable<string> words = example.Trim().Split(' ').Skip(1).Select(word => word switch
            {
                "disk.img" => disk.Path,
                "memory.img" => memory.Path,
                "bus.pcapng" => capture.Path,
                _ => word,
            });
            Assert.Equal(ExitCode.Ok, ToolRun.Of([.. words]).ExitCode);
        });
    }

    [Fact]
    public void Without_words_the_main_job_runs_on_the_built_in_disk()
    {
        ToolRun run = ToolRun.Of();
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(BuiltInDisk.Create())), run.Output, StringComparison.Ordinal);
        Assert.Contains("Isolated: ", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", run.Output, StringComparison.Ordinal);
        Assert.Equal(run.Output, ToolRun.Of("run", "direct-dma").Output);
    }

    [Fact]
    public void Json_is_one_object_of_the_promised_shape()
    {
        ToolRun run = ToolRun.Of("--json", "--seed", "7");
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Empty(run.Error);
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement report = document.RootElement;
        Has(report, JsonValueKind.Number, "virtualTimeNs", "seed");
        Assert.Equal(7, report.GetProperty("seed").GetInt32());
        Has(report.GetProperty("disk"), JsonValueKind.Number, "bytes");
        Has(report.GetProperty("disk"), JsonValueKind.String, "sha256");
        Has(report.GetProperty("dma"), JsonValueKind.Number, "bytes", "translations", "iotlbHits", "walks", "invalidations");
        Has(report.GetProperty("vmm"), JsonValueKind.Number, "hypercalls", "exits");
        Has(report.GetProperty("isolation"), JsonValueKind.Number, "attempts", "blocked", "bytesChangedElsewhere");
        JsonElement[] faults = [.. report.GetProperty("dma").GetProperty("faults").EnumerateArray()];
        Assert.NotEmpty(faults);
        Assert.All(faults, fault =>
        {
            Has(fault, JsonValueKind.Number, "reason");
            Has(fault, JsonValueKind.String, "source", "reasonName", "address");
            Assert.True(fault.GetProperty("write").ValueKind is JsonValueKind.True or JsonValueKind.False);
        });
    }

    [Fact]
    public void The_same_seed_gives_the_same_json_byte_for_byte_and_another_seed_another_one()
    {
        string first = ToolRun.Of("--json", "--seed", "5").Output;
        Assert.Equal(first, ToolRun.Of("--seed", "5", "--json").Output);
        Assert.NotEqual(first, ToolRun.Of("--json", "--seed", "6").Output);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(2049)]
    public void A_disk_in_a_file_reads_back_with_its_checksum_and_stays_as_it_is(int sectors)
    {
        byte[] content = new byte[sectors * 512];
        new Random(sectors).NextBytes(content);
        using TemporaryFile file = new();
        File.WriteAllBytes(file.Path, content);
        foreach (string[] more in (string[][])[[], ["--writable"]])
        {
            using JsonDocument report = JsonDocument.Parse(ToolRun.Of(["--disk", file.Path, "--json", .. more]).Output);
            JsonElement disk = report.RootElement.GetProperty("disk");
            Assert.Equal(content.Length, disk.GetProperty("bytes").GetInt32());
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), disk.GetProperty("sha256").GetString());
            Assert.Equal(more.Length == 0 ? 0 : 512, disk.GetProperty("bytesWritten").GetInt32());
            Assert.Equal(content, File.ReadAllBytes(file.Path));
        }
    }

    private static void Refused(ToolRun run)
    {
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Empty(run.Output);
        string line = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("dma: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", run.Error, StringComparison.Ordinal);
    }

    private static void Has(JsonElement element, JsonValueKind kind, params string[] names) =>
        Assert.All(names, name => Assert.Equal(kind, element.GetProperty(name).ValueKind));

    private static bool CanRead(string path) => CanOpen(path, FileAccess.Read);

    private static bool CanWrite(string path) => CanOpen(path, FileAccess.ReadWrite);

    private static bool CanOpen(string path, FileAccess access)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, access);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
