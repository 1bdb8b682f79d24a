using System.Text.Json;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>Programs as people write them, good ones and bad ones, and the verbs that play them.</summary>
public sealed class WorldProgramTests
{
    private const string World = "vm a 4\ndevice d0 probe\n";

    public static TheoryData<string, string> BadPrograms => new()
    {
        { "", "A program has at least one VM: vm NAME PAGES." },
        { "vm a 4", "A program has at least one device: device NAME KIND." },
        { "frobnicate", "Line 1: 'frobnicate' is no step." },
        { "# a comment\n\nvm a", "Line 3: Expected: vm NAME PAGES [lazy FRAMES] [POLICY|iommu]." },
        { "vm a 4 untranslated", "Line 1: 'untranslated' is none of: strict, deferred, optimistic, bounce, static." },
        { "vm a 8 iommu", "Line 1: A VM with a remapping unit of its own has 16 pages at least" },
        { "vm a 32 lazy 16 iommu", "Line 1: A VM with a remapping unit of its own has 16 pages at least" },
        { "vm a 32 lazy 16 static strict", "Line 1: Expected: vm NAME PAGES [lazy FRAMES] [POLICY|iommu]." },
        { "vm a 0", "Line 1: '0' is no number of pages from 1 to 64." },
        { "vm a 32 lazy 15", "Line 1: '15' is no number of frames from 16 to the number of pages." },
        { "vm a 65", "Line 1: '65' is no number of pages from 1 to 64." },
        { "vm a 4\nvm a 4", "Line 2: 'a' is there already." },
        { "vm witness 4", "Line 1: 'witness' is no name" },
        { "vm 0x10 4", "Line 1: '0x10' is no name" },
        { "vm a:b 4", "Line 1: 'a:b' is no name" },
        { "device d0 toaster", "Line 1: 'toaster' is none of: probe, ehci, xhci, edu." },
        { "profile frobnicate", "Line 1: No profile is called 'frobnicate'." },
        { "delivery slowly", "Line 1: 'slowly' is none of: emulated, remapped, posted." },
        { "seed x", "Line 1: 'x' is no number." },
        { "without luck", "Line 1: 'luck' is no protection. There are: source-validation" },
        { "profile minimal\nwithout invalidation\n" + World, "A host with the unit of profile minimal has no invalidation to do without." },
        { "scalable\n" + World, "The unit of profile friendly has no scalable mode." },
        { World + "assign d0", "Line 3: Expected: assign DEVICE VM." },
        { World + "assign d1 a", "Line 3: 'd1' is no DEVICE. Expected: assign DEVICE VM." },
        { World + "assign d0 b", "Line 3: 'b' is no VM. Expected: assign DEVICE VM." },
        { "witness\n" + World + "destroy witness", "Line 4: 'witness' is no VM. Expected: destroy VM." },
        { World + "map a d0 own:0 4096 up", "Line 3: 'up' is no rw|w|r|none. Expected: map VM DEVICE ADDRESS LENGTH rw|w|r|none." },
        { World + "map a d0 own 4096 rw", "Line 3: 'own' is no ADDRESS." },
        { World + "map a d0 frame:0 4096 rw", "Line 3: 'frame:0' is no ADDRESS." },
        { World + "map a d0 own:0+0x1+0x2 4096 rw", "Line 3: 'own:0+0x1+0x2' is no ADDRESS." },
        { World + "run 50000001", "Line 3: '50000001' is no NANOSECONDS. Expected: run NANOSECONDS." },
        { World + "run -1", "Line 3: '-1' is no NANOSECONDS." },
        { World + "run 18446744073709551616", "Line 3: '18446744073709551616' is no NANOSECONDS." },
        { World + "write a own:0", "Line 3: Expected: write VM ADDRESS VALUE …." },
        { World + "run 1\nvm b 4", "Line 4: 'vm' says what the world is made of, and stands before the first step." },
    };

    public static TheoryData<string> Samples => [.. Directory.GetFiles(Folder, "*.world").Select(file => Path.GetFileName(file))];

    private static string Folder => Path.Combine(SharedFiles.RepositoryRoot, "samples", "worlds");

    [Theory]
    [MemberData(nameof(BadPrograms))]
    public void A_bad_program_is_refused_with_its_line_and_what_was_expected(string text, string problem)
    {
        WorldProgramException refusal = Assert.Throws<WorldProgramException>(() => WorldProgramReader.Read(text));
        Assert.StartsWith(problem, refusal.Message, StringComparison.Ordinal);
        using TemporaryFile file = new();
        File.WriteAllText(file.Path, text);
        ToolRun run = ToolRun.Of("run", "--program", file.Path);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Contains(problem, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_text_are_refused_too()
    {
        byte[] bytes = new byte[300];
        Random random = new((int)Property.Seed);
        using TemporaryFile file = new();
        for (int round = 0; round < 50; round++)
        {
            random.NextBytes(bytes);
            File.WriteAllBytes(file.Path, bytes);
            Assert.Equal(ExitCode.BadInput, ToolRun.Of("run", "--program", file.Path).ExitCode);
        }
    }

    [Fact]
    public void Every_step_may_stand_alone_in_any_world()
    {
        // Steps are total: whatever they name is there or is not.
        Random random = new((int)Property.Seed);
        WorldProgram world = WorldProgramReader.Read("witness\nvm a 4\nvm b 16 deferred\nvm c 16 iommu\ndevice d0 probe\ndevice d1 ehci\ndevice d2 xhci\ndevice d3 edu\n");
        foreach (StepVerb verb in WorldSteps.All)
        {
            WorldStep[] steps = [.. Enumerable.Range(0, 3).Select(_ => new WorldStep(verb, [.. verb.Parameters.Select(parameter => parameter.Draw(random, world.Names))]))];
            WorldProgram program = world with { Steps = steps };
            Assert.Equal(program.ToString(), WorldProgramReader.Read(program.ToString()).ToString());
            WorldFinding? finding = WorldPlayer.Play(program);
            Assert.True(finding is null, $"{finding}\n{program}");
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_breaks_isolation_where_it_does_without_a_protection_and_not_otherwise(string name)
    {
        string path = Path.Combine(Folder, name);
        WorldProgram program = WorldProgramReader.Read(File.ReadAllText(path));
        ToolRun run = ToolRun.Of("run", "--program", path);
        Assert.Equal((program.Without.Count == 0 ? ExitCode.Ok : ExitCode.Violation, ""), (run.ExitCode, run.Error));
        Assert.Equal(ExitCode.Ok, WorldPlayer.Play(program with { Without = [] }) is null ? ExitCode.Ok : ExitCode.Violation);
    }

    [Fact]
    public void What_the_check_finds_is_written_to_a_file_that_plays_again()
    {
        using TemporaryFile file = new();
        ToolRun check = ToolRun.Of("check", "isolation", "--seed", "3", "--worlds", "2000", "--workers", "2", "--without", "invalidation", "--file", file.Path, "--json");
        Assert.Equal((ExitCode.Violation, ""), (check.ExitCode, check.Error));
        JsonElement found = JsonDocument.Parse(check.Output).RootElement.GetProperty("finding");
        Assert.Equal(File.ReadAllText(file.Path), found.GetProperty("program").GetString());
        ToolRun again = ToolRun.Of("run", "--program", file.Path, "--json");
        Assert.Equal((ExitCode.Violation, ""), (again.ExitCode, again.Error));
        JsonElement same = JsonDocument.Parse(again.Output).RootElement.GetProperty("finding");
        foreach (string property in (string[])["invariant", "text", "step", "line", "program"])
            Assert.Equal($"{found.GetProperty(property)}", $"{same.GetProperty(property)}");
    }

    [Fact]
    public void A_check_that_finds_nothing_says_how_fast_it_was()
    {
        ToolRun run = ToolRun.Of("check", "isolation", "--worlds", "10", "--workers", "1");
        Assert.Equal((ExitCode.Ok, ""), (run.ExitCode, run.Error));
        Assert.Matches(@"^10 worlds of seed 1 in \d+\.\d s: [\d.]+ worlds/s on 1 worker\.\nIsolated: nothing was violated\.\n$", run.Output);
    }
}
