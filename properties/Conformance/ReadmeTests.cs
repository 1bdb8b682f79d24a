namespace Dma.Properties;

/// <summary>What documents show of the program is what the program prints and what the sample says.</summary>
public sealed class ReadmeTests
{
    private const string Fence = "```";
    private const string LeftOut = "…";

    [Fact]
    public void The_output_that_the_readme_shows_is_what_the_program_prints()
    {
        string[] printed = [.. ToolRun.Of().Output.Split('\n').Select(line => line.TrimEnd())];
        IsTaken(Block(text => text.Any(line => line.StartsWith("Isolated:", StringComparison.Ordinal))), printed);
    }

    [Fact]
    public void The_example_of_an_audit_prints_what_its_page_shows()
    {
        using TemporaryFile memory = new();
        string[] commands = Block(text => text.Any(line => line.StartsWith("dma run", StringComparison.Ordinal)), "docs/audit.md");
        string[] printed = [];
        foreach (string command in commands)
            printed = [.. ToolRun.Of([.. command.Replace("memory.img", memory.Path, StringComparison.Ordinal).Split(' ').Skip(1)]).Output.Split('\n').Select(line => line.TrimEnd())];
        Assert.Equal(Block(text => text.Any(line => line.StartsWith("Isolated:", StringComparison.Ordinal)), "docs/audit.md"), printed[..^1]);
    }

    [Fact]
    public void The_code_that_the_readme_shows_is_in_the_sample()
    {
        string sample = Path.Combine(SharedFiles.RepositoryRoot, "samples", "01-direct-dma.cs");
        IsTaken(
            [.. Block(text => text.Any(line => line.Contains("EhciDriver.Start", StringComparison.Ordinal))).Select(line => line.Trim())],
            [.. File.ReadAllLines(sample).Select(line => line.Trim())]);
    }

    [Fact]
    public void A_line_that_differs_or_comes_too_early_is_found()
    {
        string[] whole = ["a", "b", "c", "d"];
        IsTaken(["a", "  …", "c", "d"], whole);
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => IsTaken(["a", "c"], whole));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => IsTaken(["c", "…", "a"], whole));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => IsTaken(["a", "…", "e"], whole));
    }

    // Each stretch of lines, up to the next mark for what is left out, stands in the whole after the one before.
    private static void IsTaken(string[] shown, string[] whole)
    {
        int from = 0;
        for (int at = 0; at < shown.Length; at++)
        {
            string[] stretch = [.. shown.Skip(at).TakeWhile(line => line.Trim() != LeftOut)];
            at += stretch.Length;
            if (stretch.Length == 0)
                continue;
            int place = Enumerable.Range(from, Math.Max(0, whole.Length - from))
                .FirstOrDefault(start => whole.AsSpan(start).StartsWith(stretch), -1);
            Assert.True(place >= 0, $"These lines are not, or not here, in what is really there:\n{string.Join('\n', stretch)}\n\nThat is:\n{string.Join('\n', whole.Skip(from))}");
            from = place + stretch.Length;
        }
    }

    // The only block of a document that answers to a description.
    private static string[] Block(Func<string[], bool> isMeant, string document = "README.md")
    {
        List<string[]> blocks = [];
        List<string>? open = null;
        foreach (string line in File.ReadLines(Path.Combine(SharedFiles.RepositoryRoot, document)))
        {
            if (!line.StartsWith(Fence, StringComparison.Ordinal))
            {
                open?.Add(line.TrimEnd());
                continue;
            }

            if (open is not null)
                blocks.Add([.. open]);
            open = open is null ? [] : null;
        }

        return Assert.Single(blocks, block => isMeant(block));
    }
}
