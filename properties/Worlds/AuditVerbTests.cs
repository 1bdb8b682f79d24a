using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json.Nodes;
using Dma.Lab;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary><c>dma audit</c> on memory that Linux left behind, on memory that the program itself wrote, and on what is left of it after damage.</summary>
public sealed class AuditVerbTests
{
    private const int Root = 0x10_0000;

    // The tables of the scenario lie in the first frames above 1 MiB; the rest of the image is not needed.
    private const int ImageBytes = 4 << 20;

    private static readonly Lazy<byte[]> s_image = new(WriteImage);

    [Theory]
    [InlineData("legacy48")]
    [InlineData("sm-ss")]
    [InlineData("pt48")]
    public void The_tables_that_Linux_built_are_reported_as_recorded(string name)
    {
        string image = SharedFiles.Require($"corpora/linux-tables/{name}.mem.gz");
        JsonNode expected = JsonNode.Parse(File.ReadAllText(SharedFiles.Require($"corpora/linux-tables/{name}.expected.json")))!;
        string[] line = ["audit", "--memory", image, "--root", (string)expected["root"]!, "--mode", (string)expected["mode"]!, "--irta", (string)expected["registers"]!["IRTA"]!];
        ToolRun run = ToolRun.Of([.. line, "--json"]);
        Assert.Empty(run.Error);
        Assert.Equal(name == "pt48" ? ExitCode.Violation : ExitCode.Ok, run.ExitCode);
        JsonNode actual = JsonNode.Parse(run.Output)!;
        foreach (string part in (string[])["mode", "root", "functions", "tables", "irt"])
            Assert.True(JsonNode.DeepEquals(expected[part], actual[part]), $"{part} differs: {LinuxTables.Difference(expected[part], actual[part], part)}");

        // For a person: every run, one line each.
        string whole = ToolRun.Of([.. line, "--all"]).Output;
        foreach (JsonNode? mapped in expected["tables"]!.AsArray().SelectMany(table => table!["runs"]!.AsArray()))
        {
            string rights = ((int)mapped!["r"]! == 1 ? "r" : "-") + ((int)mapped["w"]! == 1 ? "w" : "-");
            Assert.Matches($@"(?m)^  {mapped["iova"]} +{mapped["gpa"]} +{mapped["len"]} +4K +{rights}$", whole);
        }

        Assert.DoesNotContain("--all", whole, StringComparison.Ordinal);
        Assert.Contains("--all", ToolRun.Of(line).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_memory_of_the_main_job_is_audited_from_a_raw_image_and_from_a_compressed_core()
    {
        using TemporaryFile raw = new();
        using TemporaryFile core = new();
        File.WriteAllBytes(raw.Path, s_image.Value);
        WriteCore(core.Path, s_image.Value);
        ToolRun run = Audit(raw.Path);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.Contains($"00:1d.0    0x{ContextOf(s_image.Value):x}", run.Output, StringComparison.Ordinal);
        Assert.Contains("Isolated: 1 requester, 1 set of tables", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", run.Output, StringComparison.Ordinal);
        Assert.Equal(run, Audit(core.Path));
        Assert.Equal(run, Audit(core.Path, "--format", "elf"));
        Assert.Equal(Audit(raw.Path, "--json"), Audit(core.Path, "--json"));
        Assert.Equal(ExitCode.BadInput, Audit(raw.Path, "--format", "elf").ExitCode);
    }

    [Fact]
    public void A_broken_entry_is_reported_with_the_fault_and_a_table_that_a_device_can_write_is_a_violation()
    {
        byte[] image = [.. s_image.Value];
        using TemporaryFile file = new();
        int context = ContextOf(image);
        image[context + 12] |= 1;
        File.WriteAllBytes(file.Path, image);
        ToolRun broken = Audit(file.Path);
        Assert.Equal(ExitCode.Ok, broken.ExitCode);
        Assert.Matches($@"(?m)^  Context +0x{context:x} +0x[0-9a-f]+ +Bh ContextReserved$", broken.Output);

        image[context + 12] &= 0xFE;
        int leaf = Leaf(image, context);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(leaf), (ulong)(leaf & ~0xFFF) | 3);
        File.WriteAllBytes(file.Path, image);
        ToolRun open = Audit(file.Path);
        Assert.Equal(ExitCode.Violation, open.ExitCode);
        Assert.Contains($"VIOLATION  a device can write tables (SecondStage) at 0x{leaf & ~0xFFF:x}", open.Output, StringComparison.Ordinal);
        Assert.Contains("VIOLATED: ", open.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_memory_gives_a_report_and_never_a_crash() => Property.Check(
        from seed in Gen.Choose(0, int.MaxValue)
        from damages in Gen.Choose(1, 400)
        from mode in Gen.Elements("legacy", "scalable")
        from length in Gen.Frequency((3, Gen.Constant(ImageBytes)), (1, Gen.Choose(Root + 4096, ImageBytes)))
        select (seed, damages, mode, length),
        world =>
        {
            byte[] image = s_image.Value[..world.length];
            int tables = (ContextOf(s_image.Value) >> 12) - 4;
            Random random = new(world.seed);
            for (int damage = 0; damage < world.damages; damage++)
            {
                // Mostly whole entries that point at pages nearby, in the pages of the tables; sometimes a bit anywhere.
                int at = (random.Next(16) == 0 ? Root : (tables + random.Next(8)) << 12) + (random.Next(3) == 0 ? random.Next(512) * 8 : random.Next(24) * 8);
                if (at + 8 > image.Length)
                    continue;
                if (random.Next(4) == 0)
                    image[at + random.Next(8)] ^= (byte)(1 << random.Next(8));
                else
                    BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at), ((ulong)random.Next(tables, tables + 8) << 12) | (uint)random.Next(16) | (random.Next(8) == 0 ? 0x80ul : 0));
            }

            using TemporaryFile file = new();
            File.WriteAllBytes(file.Path, image);
            string[] more = ["--mode", world.mode];
            if ((tables + 1) << 12 <= image.Length)
                more = [.. more, "--irta", string.Create(CultureInfo.InvariantCulture, $"0x{tables << 12 | 10:x}")];
            ToolRun text = Audit(file.Path, more);
            ToolRun json = Audit(file.Path, [.. more, "--json"]);
            Assert.True(text.ExitCode is ExitCode.Ok or ExitCode.Violation);
            Assert.Equal(text.ExitCode, json.ExitCode);
            Assert.Empty(text.Error + json.Error);
            JsonNode report = JsonNode.Parse(json.Output)!;
            Assert.Equal((bool)report["isolated"]!, text.ExitCode == ExitCode.Ok);
            Assert.All(report["faults"]!.AsArray(), fault =>
            {
                Assert.NotEqual("None", (string?)fault!["name"]);
                Assert.True((string?)fault["structure"] == "InterruptTable" || LinuxTables.Number(fault["entry"]!) < (ulong)image.Length);
            });
        },
        10);

    private static ToolRun Audit(string path, params string[] more) =>
        ToolRun.Of(["audit", "--memory", path, "--root", string.Create(CultureInfo.InvariantCulture, $"0x{Root:x}"), .. more]);

    private static byte[] WriteImage()
    {
        using TemporaryFile file = new();
        ToolRun run = ToolRun.Of("run", "direct-dma", "--dump", file.Path);
        Assert.Equal(ExitCode.Ok, run.ExitCode);
        Assert.EndsWith($"dma audit --memory {file.Path} --root 0x{Root:x}\n", run.Output, StringComparison.Ordinal);
        Assert.Equal(256L << 20, new FileInfo(file.Path).Length);
        using FileStream image = File.OpenRead(file.Path);
        byte[] start = new byte[ImageBytes];
        image.ReadExactly(start);
        return start;
    }

    // The first entry of the table that an entry points at.
    private static int Pointer(byte[] image, int at) => (int)(BinaryPrimitives.ReadUInt64LittleEndian(image.AsSpan(at)) & 0xFFFF_F000);

    private static int ContextOf(byte[] image) => Pointer(image, Root) + (0xE8 * 16);

    // The only page that is left mapped, by following the only entry of each level.
    private static int Leaf(byte[] image, int context)
    {
        int levels = (image[context + 8] & 7) + 2;
        int entry = context;
        for (int level = levels; level >= 1; level--)
        {
            int table = Pointer(image, entry);
            int slot = Enumerable.Range(0, 512).Single(slot => image[table + (slot * 8)] != 0);
            entry = table + (slot * 8);
        }

        return entry;
    }

    // An ELF core with one load segment, as small as one can be, compressed.
    private static void WriteCore(string path, byte[] memory)
    {
        byte[] head = new byte[64 + 56];
        "\u007FELF"u8.CopyTo(head);
        head[4] = 2;
        head[5] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(16), 4);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(54), 56);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(56), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(64), 1);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(64 + 8), (ulong)head.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(64 + 32), (ulong)memory.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(64 + 40), (ulong)memory.Length);
        using GZipStream file = new(File.Create(path), CompressionLevel.Fastest);
        file.Write(head);
        file.Write(memory);
    }
}
