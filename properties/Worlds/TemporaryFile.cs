namespace Dma.Properties;

/// <summary>The path of a file that is not there yet and goes with the test; in memory where the system has such a place.</summary>
internal sealed class TemporaryFile : IDisposable
{
    private const string InMemory = "/dev/shm";

    /// <summary>Where it is.</summary>
    public string Path { get; } = System.IO.Path.Combine(
        Directory.Exists(InMemory) ? InMemory : System.IO.Path.GetTempPath(), System.IO.Path.GetRandomFileName());

    public void Dispose() => File.Delete(Path);
}
