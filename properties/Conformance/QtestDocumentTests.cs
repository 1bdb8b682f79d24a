namespace Dma.Properties;

/// <summary>The page on the qtest server: its lines are sent, and its answers are those that come.</summary>
public sealed class QtestDocumentTests
{
    [Fact]
    public void What_the_page_shows_is_what_happens()
    {
        string page = Path.Combine(SharedFiles.RepositoryRoot, "docs", "qtest.md");
        using QtestRun run = new();
        int answers = 0;
        foreach (string line in File.ReadLines(page))
        {
            if (line.StartsWith("> ", StringComparison.Ordinal))
            {
                run.Wire.Send(line[2..] + "\n");
            }
            else if (line.StartsWith("< ", StringComparison.Ordinal))
            {
                Assert.Equal(line[2..], run.Wire.ReceiveAny());
                answers++;
            }
        }

        Assert.True(answers > 30);
        Assert.Equal(0, run.End().ExitCode);
    }
}
