using Dma.Machine;

namespace Dma.Lab;

/// <summary>Where interrupt messages end in a machine that has no processor: the newest of them are kept for whoever asks.</summary>
internal sealed class InterruptLog : IInterruptSink
{
    /// <summary>How many messages are kept; older ones are forgotten.</summary>
    public const int MessagesMax = 4096;

    private readonly Queue<MessageInterrupt> _messages = new();

    /// <summary>How many messages arrived in all.</summary>
    public ulong Delivered { get; private set; }

    /// <inheritdoc/>
    public void Deliver(MessageInterrupt message)
    {
        Delivered++;
        if (_messages.Count == MessagesMax)
            _ = _messages.Dequeue();
        _messages.Enqueue(message);
    }

    /// <summary>The messages since this was last asked, oldest first.</summary>
    public IReadOnlyList<MessageInterrupt> Take()
    {
        MessageInterrupt[] taken = [.. _messages];
        _messages.Clear();
        return taken;
    }
}
