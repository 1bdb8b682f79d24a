namespace Dma.Properties;

/// <summary>Test data that lies beside the repository, in <c>../shared</c>, and is not part of it.</summary>
public static class SharedFiles
{
    /// <summary>The directory that holds <c>Dma.sln</c>.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The path of a shared file or directory, or the test is skipped.</summary>
    /// <param name="name">Its path below <c>shared</c>, with forward slashes.</param>
    public static string Require(string name)
    {
        string path = Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", name));
        Assert.SkipUnless(Path.Exists(path), $"The shared file {name} is not beside the repository ({path}).");
        return path;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Dma.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException("The tests run inside the repository: no directory above them holds Dma.sln.");
    }
}
