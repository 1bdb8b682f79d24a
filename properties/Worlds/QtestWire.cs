using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Dma.Properties;

/// <summary>A client of the qtest protocol on a real socket, as a test program for an emulator has one.</summary>
internal sealed class QtestWire : IDisposable
{
    private const int TimeoutMs = 30_000;

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;

    public QtestWire(Socket socket)
    {
        _socket = socket;
        socket.ReceiveTimeout = socket.SendTimeout = TimeoutMs;
        _stream = new(socket, ownsSocket: true);
        _reader = new(_stream, Encoding.ASCII);
    }

    /// <summary>What came without being asked for, oldest first.</summary>
    public List<string> Notifications { get; } = [];

    /// <summary>Connects to a path.</summary>
    public static QtestWire Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new(socket);
    }

    public void Dispose()
    {
        _reader.Dispose();
        _stream.Dispose();
    }

    /// <summary>Sends bytes as they are.</summary>
    public void Send(string text) => _stream.Write(Encoding.Latin1.GetBytes(text));

    /// <summary>Says that nothing more will be sent.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>The next line, whatever it is; null where the server has closed the connection.</summary>
    public string? ReceiveAny() => _reader.ReadLine();

    /// <summary>The next answer; null where the server has closed the connection.</summary>
    public string? Receive()
    {
        string? line;
        while ((line = _reader.ReadLine())?.StartsWith("IRQ ", StringComparison.Ordinal) == true)
            Notifications.Add(line);
        return line;
    }

    /// <summary>Sends a line and gets its answer.</summary>
    public string Ask(string line)
    {
        Send(line + "\n");
        return Receive() ?? throw new IOException($"No answer to '{line}'.");
    }

    /// <summary>Sends a line that must succeed.</summary>
    /// <returns>What comes after OK.</returns>
    public string Do(string line)
    {
        string answer = Ask(line);
        return answer == "OK" ? "" : answer.StartsWith("OK ", StringComparison.Ordinal) ? answer[3..] : throw new IOException($"'{line}': {answer}");
    }

    /// <summary>Sends a line that must succeed with a hexadecimal number.</summary>
    public ulong Number(string line) => ulong.Parse(Do(line).AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    /// <summary>The messages that devices sent since this was last asked: address and data.</summary>
    public IEnumerable<(ulong Address, uint Data)> TakeMessages()
    {
        string[] words = Do("msi_take").Split(' ');
        for (int at = 1; at < words.Length; at += 2)
            yield return (Convert.ToUInt64(words[at], 16), Convert.ToUInt32(words[at + 1], 16));
    }
}
