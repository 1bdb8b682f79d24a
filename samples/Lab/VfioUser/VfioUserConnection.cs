using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>A client on its socket: takes its commands in order, answers them, and asks it for memory that it has not shared.</summary>
/// <remarks>
/// While an access to such memory waits for its answer, the function is in the middle of something. Reads of regions,
/// which change nothing, are carried out meanwhile, because a client may be unable to answer before it has its own
/// answer; other commands wait, and so do reads behind them, since a read must see what was written before it.
/// </remarks>
internal sealed class VfioUserConnection : IDmaMessages, IDisposable
{
    private const int MessagesOfTurn = 64;
    private const int WaitingMax = 64;
    private const int UnansweredMax = 8;
    private const int PendingMax = 64 * 1024;
    private const int LookMicroseconds = 20_000;

    private readonly Socket _socket;
    private readonly VfioUserPatience _patience;
    private readonly CancellationToken _stop;
    private readonly MessageReader _reader;
    private readonly OutgoingMessages _outgoing;
    private readonly Queue<IncomingMessage> _waiting = new();
    private readonly HashSet<ushort> _unanswered = [];
    private readonly Stopwatch _sinceProgress = Stopwatch.StartNew();
    private ushort _nextId;

    /// <summary>A client that has just connected.</summary>
    /// <param name="socket">Its socket, closed with the connection.</param>
    /// <param name="machine">The machine with the function.</param>
    /// <param name="interrupts">The function's interrupts.</param>
    /// <param name="patience">How long it is waited for.</param>
    /// <param name="stop">Ends every wait.</param>
    public VfioUserConnection(Socket socket, VfioUserMachine machine, ClientInterrupts interrupts, VfioUserPatience patience, CancellationToken stop)
    {
        (_socket, _patience, _stop) = (socket, patience, stop);
        socket.Blocking = false;
        _reader = new(socket);
        _outgoing = new(socket);
        Session = new(machine, interrupts, this);
    }

    /// <summary>What it has of the function.</summary>
    public VfioUserSession Session { get; }

    /// <summary>Why it is to be closed; null while it is not.</summary>
    public string? End { get; private set; }

    /// <summary>Its socket.</summary>
    public Socket Socket => _socket;

    /// <summary>Whether commands have arrived that wait for their turn.</summary>
    public bool IsBusy => End is null && _waiting.Count != 0 && !WantsToSend;

    /// <summary>Whether more of it is wanted; while it does not take answers, nothing is.</summary>
    public bool WantsToReceive => End is null && !WantsToSend;

    /// <summary>Whether there is something for it.</summary>
    public bool WantsToSend => _outgoing.Pending != 0;

    /// <summary>Carries out what has arrived, as far as one turn goes, and sends what there is to send.</summary>
    public void Turn()
    {
        Send();
        for (int count = 0; count < MessagesOfTurn && WantsToReceive && TryTake(out IncomingMessage? message); count++)
        {
            Handle(message);
            Send();
        }

        bool waitsForIt = WantsToSend || _reader.IsInside || Session.Capabilities is null;
        if (End is null && waitsForIt && _sinceProgress.Elapsed > _patience.Message)
            End = WantsToSend ? "it did not take its answers" : "it stalled in the middle of a message";
        if (!waitsForIt)
            _sinceProgress.Restart();
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        int head = Marshal.SizeOf<DmaAccess>();
        byte[] whole = new byte[destination.Length];
        for (int done = 0; done < whole.Length;)
        {
            DmaAccess access = PieceOf(address, done, whole.Length);
            int count = (int)access.Count;
            using IncomingMessage? reply = Ask(VfioUserCommand.DmaRead, access, default);
            if (reply is null || reply.Payload.Length != head + count || MemoryMarshal.Read<DmaAccess>(reply.Payload) != access)
                return false;
            reply.Payload.AsSpan(head).CopyTo(whole.AsSpan(done));
            done += count;
        }

        whole.CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        for (int done = 0; done < source.Length;)
        {
            DmaAccess access = PieceOf(address, done, source.Length);
            using IncomingMessage? reply = Ask(VfioUserCommand.DmaWrite, access, source.Slice(done, (int)access.Count));
            if (reply is null)
                return false;
            done += (int)access.Count;
        }

        return true;
    }

    /// <summary>Closes it; nothing of the client is left in the function.</summary>
    public void Dispose()
    {
        End ??= "the server ends";
        Session.Dispose();
        _reader.Dispose();
        while (_waiting.TryDequeue(out IncomingMessage? message))
            message.Dispose();
        _socket.Dispose();
    }

    private DmaAccess PieceOf(ulong address, int done, int length) =>
        new(address + (ulong)done, (ulong)Math.Min(length - done, Session.Capabilities?.ClientTransferMax ?? 0));

    private bool TryTake([NotNullWhen(true)] out IncomingMessage? message)
    {
        if (_waiting.TryDequeue(out message))
            return true;
        bool isThere = _reader.TryRead(out message);
        if (isThere)
            _sinceProgress.Restart();
        End ??= _reader.End;
        return isThere && message is not null;
    }

    private void Send()
    {
        if (!_outgoing.TrySend(out bool progress))
            End ??= "it went away";
        if (progress)
            _sinceProgress.Restart();
    }

    private void Handle(IncomingMessage message)
    {
        using (message)
        {
            MessageHeader header = message.Header;
            if (header.IsReply)
            {
                if (!_unanswered.Remove(header.Id))
                    End ??= "it sent a reply that nobody waits for";
                return;
            }

            bool isAgreed = Session.Capabilities is not null;
            ArrayBufferWriter<byte> reply = new();
            ErrorNumber error = Session.Execute(header.Command, message.Payload, message.Descriptors, reply);
            if (header.WantsReply && error == ErrorNumber.None)
                _outgoing.Add(header with { Flags = MessageFlags.Reply, Error = 0 }, reply.WrittenSpan);
            else if (header.WantsReply)
                _outgoing.Add(header with { Flags = MessageFlags.Reply | MessageFlags.Error, Error = error }, default);
            if (error != ErrorNumber.None && !isAgreed)
            {
                Send();
                End ??= "it did not agree on a version";
            }
        }
    }

    // Sends a command and waits for its reply; null where there is none, or it is an error.
    private IncomingMessage? Ask(VfioUserCommand command, DmaAccess access, ReadOnlySpan<byte> data)
    {
        if (End is not null || _stop.IsCancellationRequested)
            return null;
        ushort id = _nextId++;
        _outgoing.Add(new(id, command, 0, MessageFlags.None, 0), MemoryMarshal.AsBytes(new ReadOnlySpan<DmaAccess>(in access)), data);
        long start = Stopwatch.GetTimestamp();
        while (End is null && !_stop.IsCancellationRequested && Stopwatch.GetElapsedTime(start) < _patience.Access)
        {
            Send();
            if (!_reader.TryRead(out IncomingMessage? message))
            {
                End ??= _reader.End;
                Wait();
            }
            else if (message.Header.IsReply && message.Header.Id == id && message.Header.Command == command)
            {
                _sinceProgress.Restart();
                if ((message.Header.Flags & MessageFlags.Error) == 0)
                    return message;
                message.Dispose();
                return null;
            }
            else if (message.Header.IsReply || (message.Header.Command == VfioUserCommand.RegionRead && _waiting.Count == 0 && _outgoing.Pending < PendingMax))
            {
                Handle(message);
            }
            else
            {
                _waiting.Enqueue(message);
                if (_waiting.Count > WaitingMax)
                    End ??= "it sent commands without an end while it was asked for its memory";
            }
        }

        _ = _unanswered.Add(id);
        if (_unanswered.Count > UnansweredMax)
            End ??= "it does not answer accesses to its memory";
        return null;
    }

    private void Wait()
    {
        List<Socket> readable = [_socket];
        List<Socket> writable = WantsToSend ? [_socket] : [];
        if (End is null)
            Socket.Select(readable, writable, null, LookMicroseconds);
    }
}
