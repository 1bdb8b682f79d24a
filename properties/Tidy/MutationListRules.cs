namespace Dma.Properties;

/// <summary>The list of faults that the tests must notice follows the code.</summary>
public sealed class MutationListRules
{
    private const string ListPath = "properties/Mutations/mutations.txt";

    [Fact]
    public void Each_fault_of_the_list_has_one_line_to_take_the_place_of()
    {
        Fault[] faults = [.. Faults(File.ReadAllLines(Path.Combine(SharedFiles.RepositoryRoot, ListPath)))];
        Assert.NotEmpty(faults);
        Assert.Empty(faults.Where(fault => Places(fault, ReadLines(fault.Path)) != 1).Select(fault => $"{fault.What}: {Places(fault, ReadLines(fault.Path))} such lines in {fault.Path}."));
    }

    [Fact]
    public void A_fault_whose_line_is_gone_or_not_alone_is_found()
    {
        Fault fault = Assert.Single(Faults(["# what", "@ Room/File.cs", "- old();", "+ young();"]));
        Assert.Equal(new("what", "Room/File.cs", "old();"), fault);
        Assert.Equal(1, Places(fault, ["    old();", "old(1);"]));
        Assert.Equal(0, Places(fault, ["    older();"]));
        Assert.Equal(2, Places(fault, ["old();", "\told();"]));
    }

    private static string[] ReadLines(string path)
    {
        string file = Path.Combine(SharedFiles.RepositoryRoot, path);
        return File.Exists(file) ? File.ReadAllLines(file) : [];
    }

    private static int Places(Fault fault, string[] lines) => lines.Count(line => line.TrimStart() == fault.Line);

    private static IEnumerable<Fault> Faults(string[] list)
    {
        Fault fault = new("", "", "");
        foreach (string line in list.Where(line => line.Length > 2))
        {
            string rest = line[2..];
            switch (line[0])
            {
                case '#':
                    fault = fault with { What = rest };
                    break;
                case '@':
                    fault = fault with { Path = rest };
                    break;
                case '-':
                    fault = fault with { Line = rest };
                    break;
                default:
                    yield return fault;
                    break;
            }
        }
    }

    /// <summary>A fault, without the line that makes it.</summary>
    /// <param name="What">What it breaks.</param>
    /// <param name="Path">The file, from the root.</param>
    /// <param name="Line">The line that it replaces, without its indentation.</param>
    private sealed record Fault(string What, string Path, string Line);
}
