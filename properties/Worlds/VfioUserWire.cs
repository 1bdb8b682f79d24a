using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A client of the vfio-user protocol on a real socket, with real descriptors.</summary>
internal sealed class VfioUserWire : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private ushort _id = 100;

    public VfioUserWire(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    /// <summary>The memory in which accesses of the server are done; null where they are not answered.</summary>
    public PhysicalMemory? Memory { get; set; }

    /// <summary>How many accesses the server asked for.</summary>
    public int Accesses { get; private set; }

    /// <summary>Whether accesses are answered with an error.</summary>
    public bool RefusesAccesses { get; set; }

    /// <summary>Connects to a path and agrees on a version.</summary>
    public static VfioUserWire Connect(string path)
    {
        VfioUserWire wire = Open(path);
        _ = wire.Do(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 1)));
        return wire;
    }

    /// <summary>Connects to a path and says nothing.</summary>
    public static VfioUserWire Open(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new(socket);
    }

    public void Dispose() => Socket.Dispose();

    /// <summary>Sends bytes as they are, with descriptors at the first one.</summary>
    public void Send(ReadOnlySpan<byte> bytes, params SafeHandle[] descriptors)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (bytes.Length != 0)
        {
            int count = UnixDescriptors.Send(Socket, bytes, descriptors, out SocketError error);
            if (error is not (SocketError.Success or SocketError.WouldBlock) || watch.Elapsed > s_patience)
                throw new IOException($"Nothing goes: {error}.");
            if (count == 0)
                _ = Socket.Poll(10_000, SelectMode.SelectWrite);
            else
                descriptors = [];
            bytes = bytes[count..];
        }
    }

    /// <summary>Sends a command that must be carried out.</summary>
    /// <returns>What follows the header of its reply.</returns>
    public byte[] Do(VfioUserCommand command, byte[] payload, params SafeHandle[] descriptors)
    {
        (MessageHeader header, byte[] reply) = Ask(command, payload, descriptors);
        return header.Error == ErrorNumber.None ? reply : throw new IOException($"{command} is refused: {header.Error}.");
    }

    /// <summary>Sends a command and waits for its reply.</summary>
    public (MessageHeader Header, byte[] Payload) Ask(VfioUserCommand command, byte[] payload, params SafeHandle[] descriptors)
    {
        ushort id = _id++;
        Send(Message(id, command, payload), descriptors);
        while (true)
        {
            (MessageHeader header, byte[] reply) = ReceiveOne() ?? throw new IOException("The server has gone.");
            if (header.IsReply && header.Id == id)
                return (header, reply);
            Serve(header, reply);
        }
    }

    public uint Read(uint region, ulong offset, int count)
    {
        byte[] reply = Do(VfioUserCommand.RegionRead, VfioUserBench.Bytes(new RegionAccess(offset, region, (uint)count)));
        return BitConverter.ToUInt32([.. reply.AsSpan(16), 0, 0, 0]);
    }

    public void Write(uint region, ulong offset, int count, uint value) =>
        _ = Do(VfioUserCommand.RegionWrite, VfioUserBench.Bytes(new RegionAccess(offset, region, (uint)count), BitConverter.GetBytes(value)[..count]));

    /// <summary>Does the accesses that the server asks for, for a while.</summary>
    public void Serve(TimeSpan time)
    {
        Stopwatch watch = Stopwatch.StartNew();
        for (TimeSpan left = time; left > TimeSpan.Zero && Socket.Poll(left, SelectMode.SelectRead); left = time - watch.Elapsed)
        {
            (MessageHeader header, byte[] payload) = ReceiveOne() ?? throw new IOException("The server has gone.");
            Serve(header, payload);
        }
    }

    /// <summary>Whether the server closes the connection; what it sends until then is passed over.</summary>
    public bool IsClosed()
    {
        try
        {
            while (ReceiveOne() is not null)
            {
            }

            return true;
        }
        catch (IOException)
        {
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>A command as it goes over the socket.</summary>
    public static byte[] Message(ushort id, VfioUserCommand command, byte[] payload, MessageFlags flags = 0) =>
        VfioUserBench.Bytes(new MessageHeader(id, command, (uint)(16 + payload.Length), flags, 0), payload);

    /// <summary>The next message; null where the server has closed the connection.</summary>
    public (MessageHeader Header, byte[] Payload)? ReceiveOne()
    {
        byte[] head = new byte[16];
        if (!TryFill(head))
            return null;
        MessageHeader header = MemoryMarshal.Read<MessageHeader>(head);
        byte[] payload = new byte[header.Size - 16];
        return TryFill(payload) ? (header, payload) : null;
    }

    private bool TryFill(byte[] bytes)
    {
        for (int done = 0; done < bytes.Length;)
        {
            if (!Socket.Poll(s_patience, SelectMode.SelectRead))
                throw new TimeoutException("Nothing comes.");
            int count = Socket.Receive(bytes.AsSpan(done), SocketFlags.None, out SocketError error);
            if (error != SocketError.Success)
                throw new IOException($"Nothing comes: {error}.");
            if (count == 0)
                return false;
            done += count;
        }

        return true;
    }

    private void Serve(MessageHeader header, byte[] payload)
    {
        Assert.True(header.IsCommand);
        Assert.True(header.Command is VfioUserCommand.DmaRead or VfioUserCommand.DmaWrite);
        Accesses++;
        if (Memory is not { } memory)
            return;
        DmaAccess access = MemoryMarshal.Read<DmaAccess>(payload);
        byte[] data = header.Command == VfioUserCommand.DmaRead ? new byte[access.Count] : payload[16..];
        Assert.Equal((int)access.Count, data.Length);
        bool done = !RefusesAccesses
            && (header.Command == VfioUserCommand.DmaRead ? memory.TryRead(new PhysicalAddress(access.Address), data) : memory.TryWrite(new PhysicalAddress(access.Address), data));
        byte[] answer = !done ? [] : header.Command == VfioUserCommand.DmaRead ? VfioUserBench.Bytes(access, data) : [];
        Send(VfioUserBench.Bytes(
            new MessageHeader(header.Id, header.Command, (uint)(16 + answer.Length), done ? MessageFlags.Reply : MessageFlags.Reply | MessageFlags.Error, done ? 0 : (ErrorNumber)14),
            answer));
    }
}
