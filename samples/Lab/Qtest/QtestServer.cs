using System.Net.Sockets;

namespace Dma.Lab;

/// <summary>Serves the qtest protocol to clients of one machine, on one thread.</summary>
/// <remarks>
/// No client can hold up the others by being silent, slow or gone: sockets never block, and answers that are not taken
/// end a connection. Only while a command is carried out do all wait, and each is bounded, or done in turns.
/// </remarks>
/// <param name="machine">The machine.</param>
/// <param name="clock">Its time.</param>
internal sealed class QtestServer(ScriptedMachine machine, QtestClock clock)
{
    /// <summary>How many clients are served side by side; more wait until one leaves.</summary>
    public const int ClientsMax = 16;

    private static readonly TimeSpan LookTime = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    private readonly List<QtestConnection> _connections = [];
    private readonly List<Socket> _readable = [];
    private readonly List<Socket> _writable = [];

    /// <summary>How long a client may leave its answers where they are.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Serves all who connect.</summary>
    /// <param name="listener">A socket that listens.</param>
    /// <param name="stop">Ends it; connections are closed then.</param>
    public void Listen(Socket listener, CancellationToken stop) => Run(listener, stop);

    /// <summary>Serves one client until it leaves.</summary>
    /// <param name="client">Its socket.</param>
    /// <param name="stop">Ends it before.</param>
    public void Serve(Socket client, CancellationToken stop)
    {
        _connections.Add(new(client, machine, clock, Patience));
        Run(null, stop);
    }

    private void Run(Socket? listener, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested && (listener is not null || _connections.Count != 0))
        {
            Wait(listener);
            _ = clock.CatchUp();
            if (listener is not null && _readable.Contains(listener))
                Accept(listener);
            foreach (QtestConnection connection in _connections)
            {
                if (_readable.Contains(connection.Socket))
                    connection.Receive();
                else if (connection.IsBusy)
                    connection.Continue();
                connection.Send();
            }

            foreach (QtestConnection connection in _connections.Where(connection => connection.IsOver).ToArray())
                Close(connection);
        }

        foreach (QtestConnection connection in _connections.ToArray())
            Close(connection);
    }

    // Until somebody has something to say or takes something, the next event is due, or it is time to look for the end.
    private void Wait(Socket? listener)
    {
        _readable.Clear();
        _writable.Clear();
        if (listener is not null && _connections.Count < ClientsMax)
            _readable.Add(listener);
        foreach (QtestConnection connection in _connections)
        {
            if (connection.WantsToReceive)
                _readable.Add(connection.Socket);
            if (connection.WantsToSend)
                _writable.Add(connection.Socket);
        }

        bool isBusy = _connections.Exists(connection => connection.IsBusy);
        TimeSpan wait = clock.UntilNext is { } next && next < LookTime ? next : LookTime;
        if (!isBusy)
            Socket.Select(_readable, _writable, null, wait < Shortest ? Shortest : wait);
        else if (_readable.Count + _writable.Count != 0)
            Socket.Select(_readable, _writable, null, TimeSpan.Zero);
    }

    private void Accept(Socket listener)
    {
        try
        {
            _connections.Add(new(listener.Accept(), machine, clock, Patience));
        }
        catch (SocketException)
        {
            // It left before it was let in.
        }
    }

    private void Close(QtestConnection connection)
    {
        connection.Dispose();
        _ = _connections.Remove(connection);
    }
}
