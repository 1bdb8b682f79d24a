using System.Buffers;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>Messages on their way to a socket that never blocks.</summary>
/// <param name="socket">A connected socket.</param>
internal sealed class OutgoingMessages(Socket socket)
{
    private readonly ArrayBufferWriter<byte> _bytes = new();
    private int _sent;

    /// <summary>Bytes that have not gone yet.</summary>
    public int Pending => _bytes.WrittenCount - _sent;

    /// <summary>Adds a message.</summary>
    /// <param name="header">Its header; the size is set here.</param>
    /// <param name="first">What follows the header.</param>
    /// <param name="second">What follows that.</param>
    public void Add(MessageHeader header, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default)
    {
        MessageHeader whole = header with { Size = (uint)(MessageHeader.Bytes + first.Length + second.Length) };
        _bytes.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<MessageHeader>(in whole)));
        _bytes.Write(first);
        _bytes.Write(second);
    }

    /// <summary>Sends what the socket takes now.</summary>
    /// <param name="progress">Whether anything went.</param>
    /// <returns><c>false</c> where nothing can go any more.</returns>
    public bool TrySend(out bool progress)
    {
        progress = false;
        while (Pending != 0)
        {
            int count = socket.Send(_bytes.WrittenSpan[_sent..], SocketFlags.None, out SocketError error);
            if (error is SocketError.WouldBlock or SocketError.Interrupted)
                return true;
            if (error != SocketError.Success)
                return false;
            progress = true;
            _sent += count;
        }

        _bytes.ResetWrittenCount();
        _sent = 0;
        return true;
    }
}
