using System.Buffers.Binary;
using Dma.Hal.Spec;

namespace Dma.Properties;

/// <summary>All messages of a run: who sent which, in what order, who received it, and what its sender was told.</summary>
internal sealed class ManagementChatModel
{
    private readonly List<Message> _messages = [];

    /// <summary>The bytes of a new message, which say which one it is; the rest follows from that.</summary>
    public byte[] Begin(uint source, uint destination, int length)
    {
        Message message = new(_messages.Count, source, destination, length);
        _messages.Add(message);
        return message.Bytes();
    }

    /// <summary>The sender was told how it ended.</summary>
    public void Ended(ReadOnlySpan<byte> bytes, ManagementResult result)
    {
        Message message = _messages[BinaryPrimitives.ReadInt32LittleEndian(bytes)];
        Assert.Equal(ManagementResult.None, message.Result);
        message.Result = result;
    }

    /// <summary>It arrived somewhere; its bytes are whole, and whoever it is said to be from sent it.</summary>
    public void Received(uint destination, uint source, ReadOnlySpan<byte> bytes)
    {
        Message message = _messages[BinaryPrimitives.ReadInt32LittleEndian(bytes)];
        Assert.Equal((message.Source, message.Destination), (source, destination));
        Assert.True(bytes.SequenceEqual(message.Bytes()));
        Assert.False(message.IsReceived, $"Message {message.Number} arrived twice.");
        message.IsReceived = true;

        // Whatever was sent to there before either arrived, or will not.
        Message? late = _messages.Find(other => other.Number > message.Number && other.IsReceived && other.Source == source && other.Destination == destination);
        Assert.Null(late);
    }

    /// <summary>Its memory is gone, and with it what was received and not looked at.</summary>
    public void Destroyed(uint destination)
    {
        foreach (Message message in _messages.Where(message => message.Destination == destination && message.Result == ManagementResult.None))
            message.IsUnseen = true;
    }

    /// <summary>How many messages of a pair wait or may wait.</summary>
    public int Waiting(uint source, uint destination) =>
        _messages.Count(message => (message.Source, message.Destination, message.Result) == (source, destination, ManagementResult.None));

    /// <summary>In the end: what its sender was told is what happened.</summary>
    public void Check() => Assert.All(_messages, message =>
    {
        // Of a sender that was reset, or a core that failed, nobody knows more than "at most once".
        if (message.Result is not (ManagementResult.None or ManagementResult.CoreLost))
            Assert.True(message.IsReceived == (message.Result == ManagementResult.Done) || (message.IsUnseen && !message.IsReceived), $"Message {message.Number} ended as {message.Result}.");
    });

    private sealed class Message(int number, uint source, uint destination, int length)
    {
        public int Number => number;

        public uint Source => source;

        public uint Destination => destination;

        public ManagementResult Result { get; set; }

        public bool IsReceived { get; set; }

        public bool IsUnseen { get; set; }

        public byte[] Bytes()
        {
            byte[] bytes = new byte[length];
            for (int at = 0; at < length; at++)
                bytes[at] = (byte)(number + (at * 7));
            BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
            return bytes;
        }
    }
}
