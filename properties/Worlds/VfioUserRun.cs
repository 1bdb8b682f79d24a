using System.Net.Sockets;
using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A vfio-user server in a thread of its own.</summary>
internal sealed class VfioUserRun : IDisposable
{
    // Nobody waits that long; on a busy machine, a client may well need more than the second that it usually has.
    private static readonly VfioUserPatience s_endless = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));

    private readonly TemporaryFile _path = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _log = [];
    private readonly Task _server;
    private volatile VfioUserMachine? _machine;

    public VfioUserRun(Func<EventLoop, PciFunction> create, string profile = "friendly", VfioUserPatience? patience = null)
    {
        Assert.True(QtestSocket.TryListen(_path.Path, out Socket? listener, out _));
        _server = Task.Factory.StartNew(
            () =>
            {
                using (listener)
                using (VfioUserMachine machine = new(HardwareProfile.Named(profile), create))
                using (VfioUserServer server = new(machine, Log) { Patience = patience ?? s_endless })
                {
                    _machine = machine;
                    server.Listen(listener, _stop.Token);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    /// <summary>Where it listens.</summary>
    public string Path => _path.Path;

    /// <summary>Its virtual time, as far as another thread sees it.</summary>
    public ulong NowNs => _machine?.Loop.NowNs ?? 0;

    /// <summary>Waits for a line of its log.</summary>
    public void WaitFor(string text) => Assert.True(
        SpinWait.SpinUntil(() => Logged().Exists(line => line.Contains(text, StringComparison.Ordinal)), TimeSpan.FromSeconds(30)),
        $"No line has '{text}': {string.Join(" | ", Logged())}");

    public void Dispose()
    {
        _stop.Cancel();
        Assert.True(_server.Wait(TimeSpan.FromSeconds(30)));
        Assert.False(System.IO.Path.Exists(_path.Path));
        _stop.Dispose();
        _path.Dispose();
    }

    private void Log(string line)
    {
        lock (_log)
            _log.Add(line);
    }

    private List<string> Logged()
    {
        lock (_log)
            return [.. _log];
    }
}
