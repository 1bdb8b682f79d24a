using System.Globalization;
using System.Net.Sockets;

namespace Dma.Lab;

/// <summary>Serves the function of a machine to clients of the vfio-user protocol, one after the other, on one thread.</summary>
/// <remarks>
/// Virtual time follows the wall clock. Who connects while another client has the function waits until that one leaves. A
/// client that is silent in the middle of something, leaves or sends nonsense costs its own connection alone.
/// </remarks>
/// <param name="machine">The machine.</param>
/// <param name="log">Takes a line for people.</param>
internal sealed class VfioUserServer(VfioUserMachine machine, Action<string> log) : IDisposable
{
    // A guest measures its waits by a clock of its own: after a pause of this program the device makes up for it.
    private const ulong LagMaxNs = 1_000_000_000;
    private const int CatchUpTurns = 5;

    private static readonly TimeSpan _lookTime = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _shortest = TimeSpan.FromMilliseconds(1);

    private readonly ClientInterrupts _interrupts = new(machine);
    private readonly QtestClock _clock = new(machine.Loop, isRealTime: true) { LagMaxNs = LagMaxNs };
    private readonly List<Socket> _readable = [];
    private readonly List<Socket> _writable = [];
    private VfioUserConnection? _connection;
    private int _clients;
    private ulong _faultsBefore;
    private bool _hasToldMappings;
    private bool _hasToldVersion;

    /// <summary>How long a client is waited for.</summary>
    public VfioUserPatience Patience { get; init; } = VfioUserPatience.Default;

    /// <summary>Closes the connection that there is.</summary>
    public void Dispose() => _connection?.Dispose();

    /// <summary>Serves all who connect.</summary>
    /// <param name="listener">A socket that listens.</param>
    /// <param name="stop">Ends it; the connection is closed then.</param>
    public void Listen(Socket listener, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            Wait(listener);
            CatchUp();
            if (_connection is null && _readable.Contains(listener))
                Accept(listener, stop);
            _connection?.Turn();
            Tell();
            if (_connection?.End is not null)
                Close();
        }

        Close();
    }

    // What a client says happens at the time of the wall clock, unless the machine is too slow for it.
    private void CatchUp()
    {
        for (int turn = 0; turn < CatchUpTurns && !_clock.CatchUp(); turn++)
        {
        }
    }

    // Until somebody has something to say or takes something, the next event is due, or it is time to look for the end.
    private void Wait(Socket listener)
    {
        _readable.Clear();
        _writable.Clear();
        if (_connection is null)
            _readable.Add(listener);
        if (_connection is { WantsToReceive: true })
            _readable.Add(_connection.Socket);
        if (_connection is { WantsToSend: true })
            _writable.Add(_connection.Socket);
        TimeSpan wait = _clock.UntilNext is { } next && next < _lookTime ? next : _lookTime;
        if (_connection is { IsBusy: true })
            wait = TimeSpan.Zero;
        else if (wait != TimeSpan.Zero && wait < _shortest)
            wait = _shortest;
        if (_readable.Count + _writable.Count != 0)
            Socket.Select(_readable, _writable, null, wait);
    }

    private void Accept(Socket listener, CancellationToken stop)
    {
        try
        {
            _connection = new(listener.Accept(), machine, _interrupts, Patience, stop);
        }
        catch (SocketException)
        {
            // It left before it was let in.
            return;
        }

        _clients++;
        _faultsBefore = machine.Faults;
        _hasToldVersion = _hasToldMappings = false;
    }

    private void Tell()
    {
        if (_connection is not { Session: { } session })
            return;
        if (!_hasToldVersion && session.Capabilities is not null)
        {
            _hasToldVersion = true;
            log($"client {_clients} connected");
        }

        if (_hasToldMappings || !session.HasUsedRegisters || session.Memory.Count == 0)
            return;
        _hasToldMappings = true;
        log(string.Create(
            CultureInfo.InvariantCulture,
            $"client {_clients} mapped {session.Memory.Count} regions, {session.Memory.Bytes >> 10} KiB; {session.Memory.CountShared} of them shared"));
    }

    private void Close()
    {
        if (_connection is not { } connection)
            return;
        _connection = null;
        ulong signalled = _interrupts.Signalled;
        connection.Dispose();
        ulong faults = machine.Faults - _faultsBefore;
        string refused = faults == 0 ? "no access refused" : $"{faults} accesses refused, the last at {machine.LastFault.Address}: {machine.LastFault.Reason}";
        log($"client {_clients} left: {connection.End}; {signalled} interrupts, {refused}");
    }
}
