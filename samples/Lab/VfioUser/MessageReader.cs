using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>Puts messages together from a socket that never blocks.</summary>
/// <remarks>
/// Never more is received than belongs to the message that has begun, so that descriptors, which arrive with some of
/// its bytes, belong to it too.
/// </remarks>
/// <param name="socket">A connected Unix stream socket.</param>
internal sealed class MessageReader(Socket socket) : IDisposable
{
    /// <summary>The longest message in bytes: its header, what is said of the transfer, and the data.</summary>
    public const int MessageMax = MessageHeader.Bytes + 16 + VersionCapabilities.TransferMax;

    private readonly byte[] _header = new byte[MessageHeader.Bytes];
    private List<SafeFileHandle> _descriptors = [];
    private byte[]? _payload;
    private int _received;

    /// <summary>Whether a message has begun and not ended.</summary>
    public bool IsInside => _received != 0;

    /// <summary>Why no more messages come; null while they may.</summary>
    public string? End { get; private set; }

    /// <summary>Takes the next message, where all of it is there.</summary>
    public bool TryRead([NotNullWhen(true)] out IncomingMessage? message)
    {
        message = null;
        while (End is null)
        {
            Span<byte> room = _payload is null ? _header.AsSpan(_received) : _payload.AsSpan(_received - MessageHeader.Bytes);
            if (room.IsEmpty && _payload is not null)
            {
                message = new(MemoryMarshal.Read<MessageHeader>(_header), _payload, _descriptors);
                (_descriptors, _payload, _received) = ([], null, 0);
                return true;
            }

            int count = UnixDescriptors.Receive(socket, room, _descriptors, out SocketError error);
            if (error is SocketError.WouldBlock or SocketError.Interrupted)
                return false;
            _received += count;
            if (error != SocketError.Success || count == 0)
                End = IsInside ? "it went away in the middle of a message" : "it went away";
            else if (_descriptors.Count > VersionCapabilities.DescriptorsMax)
                End = "it sent more descriptors than a message may bring";
            else if (_received == MessageHeader.Bytes)
                Begin();
        }

        return false;
    }

    /// <summary>Closes the descriptors of a message that did not end.</summary>
    public void Dispose()
    {
        foreach (SafeFileHandle descriptor in _descriptors)
            descriptor.Dispose();
        _descriptors.Clear();
    }

    // Nothing after a header that makes no sense can be told apart.
    private void Begin()
    {
        MessageHeader header = MemoryMarshal.Read<MessageHeader>(_header);
        if (header.Size is < MessageHeader.Bytes or > MessageMax)
            End = $"it sent a message of {header.Size} bytes";
        else if (!header.IsCommand && !header.IsReply)
            End = "it sent what is neither a command nor a reply";
        else
            _payload = new byte[header.Size - MessageHeader.Bytes];
    }
}
