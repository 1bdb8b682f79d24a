using System.Diagnostics;
using System.Net.Sockets;

namespace Dma.Lab;

/// <summary>A client on a socket that never blocks.</summary>
internal sealed class QtestConnection : IDisposable
{
    private readonly TimeSpan _patience;
    private readonly QtestClient _client;
    private readonly Stopwatch _sinceProgress = Stopwatch.StartNew();
    private bool _hasGone;
    private bool _hasEnded;

    /// <summary>A client that has just connected.</summary>
    /// <param name="socket">Its socket, closed with the connection.</param>
    /// <param name="machine">What it works on.</param>
    /// <param name="clock">Its time.</param>
    /// <param name="patience">How long it may leave answers where they are.</param>
    public QtestConnection(Socket socket, ScriptedMachine machine, QtestClock clock, TimeSpan patience)
    {
        (Socket, _patience) = (socket, patience);
        socket.Blocking = false;
        _client = new(machine, clock);
    }

    /// <summary>Its socket.</summary>
    public Socket Socket { get; }

    /// <summary>Whether it waits for a line that takes several turns.</summary>
    public bool IsBusy => _client.IsBusy && !_hasGone;

    /// <summary>Whether more bytes are wanted from it.</summary>
    public bool WantsToReceive => !_hasEnded && !_client.Room().IsEmpty;

    /// <summary>Whether there are bytes for it.</summary>
    public bool WantsToSend => !_client.Pending.IsEmpty;

    /// <summary>Whether it is to be closed: it has gone, has all its answers, does not take them, or does not keep to the protocol.</summary>
    public bool IsOver =>
        _hasGone || _client.IsOver || (_hasEnded && !WantsToSend && !_client.IsBusy) || (WantsToSend && _sinceProgress.Elapsed > _patience);

    /// <summary>Takes what has arrived, does what it asks for, and offers the answers.</summary>
    public void Receive()
    {
        int count = Socket.Receive(_client.Room().Span, SocketFlags.None, out SocketError error);
        if (error is SocketError.WouldBlock or SocketError.Interrupted)
            return;
        if (error != SocketError.Success)
        {
            _hasGone = true;
            return;
        }

        // Nothing more will come; who only closed its own direction still waits for answers.
        _hasEnded = count == 0;
        if (!WantsToSend)
            _sinceProgress.Restart();
        _client.Received(count);
        Send();
    }

    /// <summary>Gives another turn to the line that is under way, as long as somebody waits for it.</summary>
    public void Continue()
    {
        // An empty send fails where the other end is closed, but not where it only ended its own direction.
        _ = Socket.Send(ReadOnlySpan<byte>.Empty, SocketFlags.None, out SocketError error);
        _hasGone |= error is not (SocketError.Success or SocketError.WouldBlock or SocketError.Interrupted);
        if (!_hasGone)
            _client.Continue();
    }

    /// <summary>Sends what the socket takes now.</summary>
    public void Send()
    {
        while (WantsToSend && !_hasGone)
        {
            int count = Socket.Send(_client.Pending.Span, SocketFlags.None, out SocketError error);
            if (error is SocketError.WouldBlock or SocketError.Interrupted)
                return;
            _hasGone = error != SocketError.Success;
            if (_hasGone)
                return;
            _sinceProgress.Restart();
            _client.Sent(count);
        }
    }

    /// <summary>Closes it.</summary>
    public void Dispose()
    {
        _client.Dispose();
        Socket.Dispose();
    }
}
