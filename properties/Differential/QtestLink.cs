using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Dma.Properties;

/// <summary>Speaks qtest with an emulator: lines of text that read and write its ports, its physical addresses and nothing else.</summary>
/// <remarks>
/// Commands that need no answer are collected and travel with the next one that does, so that a sequence of
/// register writes costs one way there and back. An emulator that does not answer is an error, not a wait.
/// </remarks>
internal sealed class QtestLink : IDisposable
{
    private const int AnswerMillisecondsMax = 30_000;

    private readonly Socket _socket;
    private readonly StringBuilder _commands = new();
    private readonly byte[] _received = new byte[4096];
    private readonly StringBuilder _line = new();
    private int _next;
    private int _end;
    private int _unanswered;

    public QtestLink(Socket socket)
    {
        _socket = socket;
        _socket.ReceiveTimeout = AnswerMillisecondsMax;
        _socket.SendTimeout = AnswerMillisecondsMax;
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Writes to a physical address, some time before the next answer.</summary>
    /// <param name="address">Where.</param>
    /// <param name="width">1, 2, 4 or 8 bytes.</param>
    /// <param name="value">What.</param>
    public void Write(ulong address, int width, ulong value) => Post($"write{Letter(width)} 0x{address:x} 0x{value:x}");

    /// <summary>Reads from a physical address.</summary>
    public ulong Read(ulong address, int width) => Number(Ask($"read{Letter(width)} 0x{address:x}"));

    /// <summary>Reads from several physical addresses at once.</summary>
    public ulong[] Read(params (ulong Address, int Width)[] places)
    {
        foreach ((ulong address, int width) in places)
            Append($"read{Letter(width)} 0x{address:x}");
        Send();
        return [.. places.Select(_ => Number(Receive()))];
    }

    /// <summary>Writes to an I/O port, some time before the next answer.</summary>
    public void Out(ushort port, int width, uint value) => Post($"out{Letter(width)} 0x{port:x} 0x{value:x}");

    /// <summary>Waits until all that was posted is done.</summary>
    public void Settle()
    {
        if (_commands.Length != 0)
            Send();
    }

    private static char Letter(int width) => width switch
    {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        _ => 'q',
    };

    private static ulong Number(string answer)
    {
        string digits = answer[(answer.IndexOf('x', StringComparison.Ordinal) + 1)..];
        return ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private void Post(FormattableString command)
    {
        Append(command);
        _unanswered++;
    }

    private string Ask(FormattableString command)
    {
        Append(command);
        Send();
        return Receive();
    }

    private void Append(FormattableString command) => _commands.Append(command.ToString(CultureInfo.InvariantCulture)).Append('\n');

    // Sends what was collected, and takes the answers of what was posted.
    private void Send()
    {
        ReadOnlySpan<byte> bytes = Encoding.ASCII.GetBytes(_commands.ToString());
        _ = _commands.Clear();
        while (!bytes.IsEmpty)
            bytes = bytes[_socket.Send(bytes)..];
        for (; _unanswered != 0; _unanswered--)
            _ = Receive();
    }

    private string Receive()
    {
        string line;
        do
        {
            line = ReceiveLine();
        }
        while (line.StartsWith("IRQ", StringComparison.Ordinal));
        return line.StartsWith("OK", StringComparison.Ordinal) ? line : throw new IOException($"The emulator answers '{line}'.");
    }

    private string ReceiveLine()
    {
        _ = _line.Clear();
        while (true)
        {
            if (_next == _end)
            {
                _next = 0;
                _end = _socket.Receive(_received);
                if (_end == 0)
                    throw new IOException("The emulator is gone.");
            }

            char letter = (char)_received[_next++];
            if (letter == '\n')
                return _line.ToString();
            _ = _line.Append(letter);
        }
    }
}
