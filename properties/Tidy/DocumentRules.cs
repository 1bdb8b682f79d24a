using System.Text.RegularExpressions;

namespace Dma.Properties;

/// <summary>What every document keeps to.</summary>
public sealed partial class DocumentRules
{
    [Fact]
    public void Each_document_has_one_title() => Assert.Empty(SourceText.All(".md").SelectMany(Titles));

    [Fact]
    public void Each_link_to_a_file_leads_to_one() => Assert.Empty(SourceText.All(".md").SelectMany(Links));

    [Fact]
    public void A_document_with_two_titles_or_none_is_found()
    {
        Assert.Empty(Titles(new("a.md", "# One\n\n## Below\n\n```sh\n# a comment\n```\n")));
        _ = Assert.Single(Titles(new("a.md", "# One\n\n# Two\n")));
        _ = Assert.Single(Titles(new("a.md", "## Below\n\n    # in code\n")));
    }

    [Fact]
    public void A_link_that_leads_nowhere_is_found()
    {
        Assert.Empty(Links(new("docs/a.md", "[plan](../Dma.sln), [web](https://example.org/x.md), [here](#part), [room](../Machine/)\n```\n[code](nowhere)\n```")));
        Assert.Equal(["docs/a.md links to nowhere.md."], Links(new("docs/a.md", "[x](nowhere.md#part)")));
        Assert.Equal(["docs/a.md links to Dma.sln."], Links(new("docs/a.md", "![x](Dma.sln \"title\")")));
    }

    private static IEnumerable<string> Titles(SourceText document)
    {
        int titles = Prose(document).Count(line => line.StartsWith("# ", StringComparison.Ordinal));
        return titles == 1 ? [] : [$"{document.Path} has {titles} titles."];
    }

    private static IEnumerable<string> Links(SourceText document) =>
        from line in Prose(document)
        from Match link in Link().Matches(line)
        let target = link.Groups["target"].Value
        where target.Length != 0 && !target.Contains(':', StringComparison.Ordinal)
        let path = Path.Combine(SharedFiles.RepositoryRoot, Path.GetDirectoryName(document.Path)!, Uri.UnescapeDataString(target))
        where !Path.Exists(path)
        select $"{document.Path} links to {target}.";

    // The lines that are not inside a block of code.
    private static IEnumerable<string> Prose(SourceText document)
    {
        bool isCode = false;
        foreach (string line in document.Lines)
        {
            if (line.TrimStart().StartsWith("```", StringComparison.Ordinal))
                isCode = !isCode;
            else if (!isCode)
                yield return line;
        }
    }

    // [text](target "title") and ![text](target); what follows a # is a place inside the target.
    [GeneratedRegex("""\]\((?<target>[^)#\s]*)(#[^)\s]*)?(\s+"[^"]*")?\)""")]
    private static partial Regex Link();
}
