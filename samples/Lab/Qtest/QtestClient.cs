namespace Dma.Lab;

/// <summary>One client without its socket: bytes in, as they come, and bytes out.</summary>
/// <remarks>
/// Both sides are bounded: while more than <see cref="PendingMax"/> bytes of answers wait to be taken, no further line
/// is done and no further byte wanted; and a line that is longer than any command ends the client.
/// </remarks>
internal sealed class QtestClient : IDisposable
{
    /// <summary>The longest line, its end included: the most data as digits, and some words.</summary>
    public const int LineMax = (2 * QtestMemory.BytesMax) + 4096;

    /// <summary>With more bytes of answers than this waiting, nothing more is done for the client.</summary>
    public const int PendingMax = 256 * 1024;

    // Notifications come without being asked for; a client that lets them pile up beside its largest answer is dropped.
    private const int NotificationsMax = 4 << 20;
    private const int AllPendingMax = PendingMax + (2 * QtestMemory.BytesMax) + NotificationsMax;

    private readonly QtestAnswer _answer = new();
    private readonly LineBuffer _lines;
    private readonly QtestSession _session;
    private bool _isOverrun;

    /// <summary>A client that has just connected.</summary>
    /// <param name="machine">What it works on.</param>
    /// <param name="clock">Its time.</param>
    /// <param name="lineMax">The longest line in bytes, its end included.</param>
    public QtestClient(ScriptedMachine machine, QtestClock clock, int lineMax = LineMax)
    {
        _lines = new(lineMax);
        _session = new(machine, clock, _answer);
    }

    /// <summary>What is to be sent.</summary>
    public ReadOnlyMemory<byte> Pending => _answer.Pending;

    /// <summary>Whether it does not keep to the protocol, and is to be dropped after what is pending was offered to it.</summary>
    public bool IsOver => _isOverrun || Pending.Length > AllPendingMax;

    /// <summary>Whether a line is under way that takes several turns.</summary>
    public bool IsBusy => _session.IsBusy;

    /// <summary>Where received bytes go; empty while nothing more is wanted.</summary>
    public Memory<byte> Room() => IsOver || IsBusy || Pending.Length > PendingMax ? default : _lines.Room();

    /// <summary>Says how many bytes were received into the room, and does the lines that they end.</summary>
    public void Received(int count)
    {
        _lines.Advance(count);
        Work();
    }

    /// <summary>Says how many bytes of what is pending were sent, and goes on with lines that waited for that.</summary>
    public void Sent(int count)
    {
        _answer.Take(count);
        Work();
    }

    /// <summary>Gives another turn to a line that is under way, and goes on with those behind it.</summary>
    public void Continue()
    {
        _session.Continue();
        Work();
    }

    /// <summary>Ends its notifications.</summary>
    public void Dispose() => _session.Dispose();

    private void Work()
    {
        while (!IsOver && !IsBusy && Pending.Length <= PendingMax && _lines.TryTake(out ReadOnlySpan<byte> line))
            _session.Execute(line);
        if (_isOverrun || !_lines.IsOverrun)
            return;
        _isOverrun = true;
        _answer.Fail("the line is too long");
    }
}
