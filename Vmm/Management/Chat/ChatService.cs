using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>Messages between VMs and with the host, and the names by which they find each other.</summary>
/// <remarks>
/// A request to send finishes when its message was received, or cannot be any more: so each message arrives once, in the order
/// in which its sender sent to that destination, or its sender is told why not.
/// </remarks>
internal sealed class ChatService(ManagementState state) : IManagementService
{
    /// <inheritdoc/>
    public ManagementModes Mode => ManagementModes.Chat;

    /// <summary>Called when a message came for the host.</summary>
    public Action MessageForHost { get; set; } = static () => { };

    /// <inheritdoc/>
    public ManagementAnswer Serve(TakenRequest request) => request.Fields.Command switch
    {
        ManagementCommand.Publish or ManagementCommand.Withdraw or ManagementCommand.Find => ServeName(request),
        ManagementCommand.Send => Send(request),
        ManagementCommand.Receive => Receive(request),
        _ => ManagementAnswer.Of(ManagementResult.BadRequest),
    };

    /// <summary>Puts a message into the inbox of a VM and gives it to whoever waits for one.</summary>
    public ManagementResult Post(uint destination, ChatMessage message)
    {
        if (InboxOf(destination, out ManagementPort? port) is not { } inbox)
            return ManagementResult.NoDestination;
        if (!inbox.HasRoom(message.Source))
            return ManagementResult.InboxFull;
        inbox.Add(message);
        message.Sender?.Park();
        if (port is null)
            MessageForHost();
        else
            Deliver(port.Inbox);
        return ManagementResult.Done;
    }

    /// <inheritdoc/>
    public void Cancel(TakenRequest request)
    {
        if (request.Fields.Command == ManagementCommand.Receive)
            _ = request.Port.Inbox.Receivers.Remove(request);
        else if (InboxOf(request.Fields.Destination, out _) is { } inbox)
            _ = inbox.Remove(message => message.Sender == request);
    }

    /// <inheritdoc/>
    public void End(ManagementPort port)
    {
        state.Names.WithdrawAll(port.Number);
        foreach (ChatMessage message in port.Inbox.Remove(static _ => true))
            message.Finish(ManagementResult.NoDestination);
    }

    private ManagementAnswer ServeName(TakenRequest request)
    {
        if (request.Fields.InputLength > NameTable.BytesMax)
            return ManagementAnswer.Of(ManagementResult.BadName);
        ManagementResult read = request.TryRead(out byte[] input);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);
        if (NameTable.Parse(input) is not { } name)
            return ManagementAnswer.Of(ManagementResult.BadName);
        uint self = request.Port.Number;
        return request.Fields.Command switch
        {
            ManagementCommand.Publish => ManagementAnswer.Of(state.Names.Publish(name, self)),
            ManagementCommand.Withdraw => state.Names.Withdraw(name, self) ? ManagementAnswer.Done : ManagementAnswer.Of(ManagementResult.NotFound),
            _ => state.Names.TryFind(name, out uint found) ? ManagementAnswer.Done with { Value = found } : ManagementAnswer.Of(ManagementResult.NotFound),
        };
    }

    private ManagementAnswer Send(TakenRequest request)
    {
        // Refused before anything is copied: a full inbox costs its sender alone.
        uint destination = request.Fields.Destination;
        if (InboxOf(destination, out _) is not { } inbox)
            return ManagementAnswer.Of(ManagementResult.NoDestination);
        if (!inbox.HasRoom(request.Port.Number))
            return ManagementAnswer.Of(ManagementResult.InboxFull);
        ManagementResult read = request.TryRead(out byte[] input);
        if (read != ManagementResult.Done)
            return ManagementAnswer.Of(read);

        // Whose device it came by is who sent it, whatever the request says.
        ManagementResult posted = Post(destination, new(request.Port.Number, input, request));
        return posted == ManagementResult.Done ? ManagementAnswer.Parked : ManagementAnswer.Of(posted);
    }

    private static ManagementAnswer Receive(TakenRequest request)
    {
        if (request.Fields.OutputLength > ManagementDevice.TransferBytesMax)
            return ManagementAnswer.Of(ManagementResult.TooLong);
        request.Park();
        request.Port.Inbox.Receivers.Add(request);
        Deliver(request.Port.Inbox);
        return ManagementAnswer.Parked;
    }

    // Each round ends a request to receive; a message stays until one could take it.
    private static void Deliver(Inbox inbox)
    {
        while (inbox.Receivers.Count != 0 && inbox.TryPeek(out ChatMessage? message))
        {
            TakenRequest receiver = inbox.Receivers[0];
            inbox.Receivers.RemoveAt(0);
            ManagementResult written = receiver.TryWrite(message.Bytes);
            if (written != ManagementResult.Done)
            {
                receiver.Finish(ManagementAnswer.Of(written) with { Value = (ulong)message.Bytes.Length });
                continue;
            }

            inbox.Take();
            receiver.Finish(ManagementAnswer.Done with { Length = message.Bytes.Length, Source = message.Source });
            message.Finish(ManagementResult.Done);
        }
    }

    private Inbox? InboxOf(uint number, out ManagementPort? port)
    {
        port = null;
        if (number == ManagementCore.HostNumber)
            return state.HostInbox;
        port = state.Find(number);
        return port is not null && (port.Device.Modes & ManagementModes.Chat) != 0 ? port.Inbox : null;
    }
}
