using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The host's own end of the chat.</summary>
public sealed class HostMailbox
{
    private readonly ManagementState _state;
    private readonly ChatService _chat;
    private readonly Signal _arrived;
    private readonly List<ChatMessage> _sent = [];
    private bool _isLost;

    internal HostMailbox(ManagementState state, ChatService chat, EventLoop loop)
    {
        (_state, _chat, _arrived) = (state, chat, new(loop));
        chat.MessageForHost = _arrived.Raise;
        if (state.HostInbox.Count != 0)
            _arrived.Raise();
    }

    /// <summary>How many messages wait.</summary>
    public int Count => _state.HostInbox.Count;

    /// <summary>Takes the next message, if there is one; its sender is told.</summary>
    /// <param name="source">The participant that sent it.</param>
    /// <param name="message">What it says.</param>
    public bool TryReceive(out uint source, out ReadOnlyMemory<byte> message)
    {
        (source, message) = (0, default);
        if (_isLost || !_state.HostInbox.TryPeek(out ChatMessage? next))
            return false;
        _state.HostInbox.Take();
        (source, message) = (next.Source, next.Bytes);
        next.Finish(ManagementResult.Done);
        return true;
    }

    /// <summary>Waits until a message is there, or may be.</summary>
    /// <param name="timeoutNs">How long at most, in nanoseconds.</param>
    public async ValueTask<bool> WaitForMessage(ulong timeoutNs = ulong.MaxValue)
    {
        if (!HasMessage())
            _ = await _arrived.Wait(timeoutNs);
        return HasMessage();
    }

    /// <summary>Sends a message to a VM.</summary>
    /// <param name="destination">The participant.</param>
    /// <param name="message">What it says, at most <see cref="ManagementDevice.TransferBytesMax"/> bytes.</param>
    /// <returns>How it ended, once it was received or cannot be any more.</returns>
    public async ValueTask<ManagementResult> Send(uint destination, ReadOnlyMemory<byte> message)
    {
        if (message.Length > ManagementDevice.TransferBytesMax)
            return ManagementResult.TooLong;
        if (_isLost)
            return ManagementResult.CoreLost;
        ChatMessage posted = new(ManagementCore.HostNumber, message.ToArray(), sender: null);
        ManagementResult result = _chat.Post(destination, posted);
        if (result != ManagementResult.Done)
            return result;
        _sent.Add(posted);
        result = await posted.Ended;
        _ = _sent.Remove(posted);
        return result;
    }

    private bool HasMessage() => Count != 0;

    /// <summary>The core is lost, and with it what the host sent.</summary>
    internal void Fail()
    {
        _isLost = true;
        foreach (ChatMessage message in _sent)
            message.Finish(ManagementResult.CoreLost);
        _arrived.Raise();
    }
}
