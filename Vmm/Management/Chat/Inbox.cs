using System.Diagnostics.CodeAnalysis;

namespace Dma.Vmm;

/// <summary>Messages that wait for one participant, in order for each sender, and its requests that wait for messages.</summary>
/// <remarks>Each sender has room of its own, and they are received in turn: one that floods keeps no other one out.</remarks>
internal sealed class Inbox
{
    /// <summary>How many messages of one sender wait at most.</summary>
    public const int MessagesPerSource = 8;

    // Senders that have messages here; the one whose turn is next comes first.
    private readonly List<Queue<ChatMessage>> _sources = [];

    /// <summary>Requests to receive, in the order in which they came.</summary>
    public List<TakenRequest> Receivers { get; } = [];

    /// <summary>How many messages wait.</summary>
    public int Count => _sources.Sum(queue => queue.Count);

    /// <summary>Whether a sender has room for one more message.</summary>
    public bool HasRoom(uint source) => QueueOf(source) is not { } queue || queue.Count < MessagesPerSource;

    /// <summary>Puts a message behind the others of its sender, who has room.</summary>
    public void Add(ChatMessage message)
    {
        if (QueueOf(message.Source) is not { } queue)
            _sources.Add(queue = new());
        queue.Enqueue(message);
    }

    /// <summary>The message that is next; it stays.</summary>
    public bool TryPeek([NotNullWhen(true)] out ChatMessage? message)
    {
        message = _sources.Count == 0 ? null : _sources[0].Peek();
        return message is not null;
    }

    /// <summary>Takes the message that is next; its sender's turn comes after all others.</summary>
    public void Take()
    {
        Queue<ChatMessage> queue = _sources[0];
        _sources.RemoveAt(0);
        _ = queue.Dequeue();
        if (queue.Count != 0)
            _sources.Add(queue);
    }

    /// <summary>Takes out all messages of which something holds, in their order.</summary>
    public IReadOnlyList<ChatMessage> Remove(Predicate<ChatMessage> which)
    {
        List<ChatMessage> removed = [];
        for (int at = _sources.Count - 1; at >= 0; at--)
        {
            ChatMessage[] all = [.. _sources[at]];
            if (!Array.Exists(all, which))
                continue;
            removed.AddRange(all.Where(message => which(message)));
            Queue<ChatMessage> left = new(all.Where(message => !which(message)));
            if (left.Count == 0)
                _sources.RemoveAt(at);
            else
                _sources[at] = left;
        }

        return removed;
    }

    private Queue<ChatMessage>? QueueOf(uint source) => _sources.Find(queue => queue.Peek().Source == source);
}
