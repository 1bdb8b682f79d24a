using System.Net.Sockets;

namespace Dma.Properties;

/// <summary><c>dma qtest --connect</c> in a thread of its own, and the test program that it connects to.</summary>
internal sealed class QtestRun : IDisposable
{
    private readonly TemporaryFile _path = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Task<ToolRun> _run;

    public QtestRun(params string[] options)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(_path.Path));
        _listener.Listen();
        _run = Task.Factory.StartNew(
            () => ToolRun.Of(["qtest", "--connect", _path.Path, .. options]),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        Wire = new(_listener.Accept());
    }

    /// <summary>The test program's end.</summary>
    public QtestWire Wire { get; }

    /// <summary>Closes the connection.</summary>
    /// <returns>How the tool ended.</returns>
    public ToolRun End()
    {
        Wire.Dispose();
        Assert.True(_run.Wait(TimeSpan.FromSeconds(30)));
        return _run.Result;
    }

    public void Dispose()
    {
        Wire.Dispose();
        _listener.Dispose();
        _path.Dispose();
    }
}
