namespace Dma.Properties;

/// <summary>One text file of the repository.</summary>
/// <param name="Path">Its path below the root, with forward slashes.</param>
/// <param name="Content">What is in it.</param>
internal sealed record SourceText(string Path, string Content)
{
    private static readonly string[] NotOurs = ["artifacts", "bin", "obj", ".git", ".vs", "TestResults", "BenchmarkDotNet.Artifacts"];

    /// <summary>Its lines, without their ends.</summary>
    public string[] Lines => Content.ReplaceLineEndings("\n").Split('\n');

    /// <summary>All files of the repository with one of these extensions, in the order of their paths.</summary>
    public static IReadOnlyList<SourceText> All(params string[] extensions) =>
        [.. Files(new(SharedFiles.RepositoryRoot))
            .Where(file => extensions.Contains(file.Extension))
            .Select(file => new SourceText(
                System.IO.Path.GetRelativePath(SharedFiles.RepositoryRoot, file.FullName).Replace('\\', '/'), File.ReadAllText(file.FullName)))
            .OrderBy(file => file.Path, StringComparer.Ordinal)];

    private static IEnumerable<FileInfo> Files(DirectoryInfo directory) =>
        directory.EnumerateFiles().Concat(directory.EnumerateDirectories().Where(below => !NotOurs.Contains(below.Name)).SelectMany(Files));
}
