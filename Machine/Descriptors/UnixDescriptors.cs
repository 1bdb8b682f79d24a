using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>File descriptors that processes hand each other over a Unix socket: memory they share, and events they signal.</summary>
/// <remarks>
/// All that this program asks of the system for that, in one place. The layouts are those of 64-bit Linux; elsewhere
/// <see cref="AreSupported"/> is <c>false</c>, and nothing else here may be called.
/// </remarks>
public static unsafe partial class UnixDescriptors
{
    /// <summary>How many descriptors the system passes with one piece of a message (SCM_MAX_FD).</summary>
    public const int DescriptorsMax = 253;

    private const int SocketLevel = 1;
    private const int Rights = 1;
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int CloseOnExec = 0x4000_0000;
    private const int CloseOnExecFile = 0x8_0000;
    private const int NonBlockingFile = 0x800;
    private const int AllowSealing = 2;
    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const int SealAgainstShrinking = 2;
    private const short CanWrite = 4;
    private const int Interrupted = 4;
    private const int TryAgain = 11;

    /// <summary>Whether this system is one that the rest works on.</summary>
    public static bool AreSupported => OperatingSystem.IsLinux() && sizeof(nint) == 8;

    /// <summary>Receives what is there of a stream, and the descriptors that came with it; it never waits.</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="bytes">Where the bytes go, at least one.</param>
    /// <param name="descriptors">Where descriptors are added, in their order; the caller closes them.</param>
    /// <param name="error">Why there is nothing; <see cref="SocketError.WouldBlock"/> where nothing is there yet.</param>
    /// <returns>How many bytes came; 0 at the end of the stream.</returns>
    public static int Receive(Socket socket, Span<byte> bytes, ICollection<SafeFileHandle> descriptors, out SocketError error)
    {
        byte* control = stackalloc byte[sizeof(ControlHeader) + (DescriptorsMax * sizeof(int)) + sizeof(int)];
        fixed (byte* data = bytes)
        {
            Vector vector = new() { Base = data, Length = (nuint)bytes.Length };
            Message message = new()
            {
                Vectors = &vector,
                VectorCount = 1,
                Control = control,
                ControlLength = (nuint)(sizeof(ControlHeader) + (DescriptorsMax * sizeof(int)) + sizeof(int)),
            };
            nint count = ReceiveMessage(socket.SafeHandle, &message, DontWait | CloseOnExec);
            error = count >= 0 ? SocketError.Success : ErrorOf(Marshal.GetLastPInvokeError());
            if (count >= 0)
                Collect(control, message.ControlLength, descriptors);
            return (int)Math.Max(count, 0);
        }
    }

    /// <summary>Sends what a stream takes now, with descriptors at its first byte; it never waits.</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="bytes">The bytes, at least one.</param>
    /// <param name="descriptors">Descriptors, which stay the caller's; they went where at least one byte did.</param>
    /// <param name="error">Why nothing went; <see cref="SocketError.WouldBlock"/> where there is no room.</param>
    /// <returns>How many bytes went.</returns>
    public static int Send(Socket socket, ReadOnlySpan<byte> bytes, IReadOnlyList<SafeHandle> descriptors, out SocketError error)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Count, DescriptorsMax);
        byte* control = stackalloc byte[sizeof(ControlHeader) + (DescriptorsMax * sizeof(int)) + sizeof(int)];
        nuint length = (nuint)(sizeof(ControlHeader) + (descriptors.Count * sizeof(int)));
        *(ControlHeader*)control = new() { Length = length, Level = SocketLevel, Type = Rights };
        for (int index = 0; index < descriptors.Count; index++)
            ((int*)(control + sizeof(ControlHeader)))[index] = (int)descriptors[index].DangerousGetHandle();
        fixed (byte* data = bytes)
        {
            Vector vector = new() { Base = data, Length = (nuint)bytes.Length };
            Message message = new() { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Count != 0)
            {
                message.Control = control;
                message.ControlLength = (length + 7) & ~(nuint)7;
            }

            nint count = SendMessage(socket.SafeHandle, &message, DontWait | NoSignal);
            error = count >= 0 ? SocketError.Success : ErrorOf(Marshal.GetLastPInvokeError());
            GC.KeepAlive(descriptors);
            return (int)Math.Max(count, 0);
        }
    }

    /// <summary>A new event (eventfd), with nothing counted; reading its count never waits.</summary>
    public static SafeFileHandle CreateEvent() => new(Checked(NewEvent(0, CloseOnExecFile | NonBlockingFile)), ownsHandle: true);

    /// <summary>New memory that can be shared (memfd).</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="isSealed">Whether nobody can make it shorter afterwards.</param>
    public static SafeFileHandle CreateMemory(long length, bool isSealed)
    {
        SafeFileHandle memory = new(Checked(NewMemory("shared", 1 | AllowSealing)), ownsHandle: true);
        RandomAccess.SetLength(memory, length);
        if (isSealed)
            _ = Checked(Control(memory, AddSeals, SealAgainstShrinking));
        return memory;
    }

    /// <summary>Whether nobody can make a file shorter: what is mapped of it stays there.</summary>
    public static bool CannotShrink(SafeFileHandle file) => Control(file, GetSeals, 0) is > 0 and int seals && (seals & SealAgainstShrinking) != 0;

    /// <summary>Whether a descriptor is an event.</summary>
    public static bool IsEvent(SafeFileHandle descriptor) =>
        new FileInfo($"/proc/self/fd/{descriptor.DangerousGetHandle()}").LinkTarget == "anon_inode:[eventfd]";

    /// <summary>Counts one more at an event, unless it has counted so far that one more would have to wait.</summary>
    /// <returns><c>false</c> where it was not counted.</returns>
    public static bool TrySignal(SafeFileHandle counter)
    {
        // Somebody who fills it between the two calls could hold this one up; whoever shares it could as well not have made it.
        PollEntry entry = new() { Descriptor = (int)counter.DangerousGetHandle(), Wanted = CanWrite };
        ulong one = 1;
        return Poll(&entry, 1, 0) == 1 && (entry.Found & CanWrite) != 0 && Write(counter, (byte*)&one, sizeof(ulong)) == sizeof(ulong);
    }

    private static void Collect(byte* control, nuint length, ICollection<SafeFileHandle> descriptors)
    {
        for (nuint at = 0; at + (nuint)sizeof(ControlHeader) <= length;)
        {
            ControlHeader header = *(ControlHeader*)(control + at);
            if (header.Length < (nuint)sizeof(ControlHeader) || header.Length > length - at)
                return;
            int count = header is { Level: SocketLevel, Type: Rights } ? (int)(header.Length - (nuint)sizeof(ControlHeader)) / sizeof(int) : 0;
            for (int index = 0; index < count; index++)
                descriptors.Add(new(((int*)(control + at + sizeof(ControlHeader)))[index], ownsHandle: true));
            at += (header.Length + 7) & ~(nuint)7;
        }
    }

    private static SocketError ErrorOf(int error) => error switch
    {
        TryAgain => SocketError.WouldBlock,
        Interrupted => SocketError.Interrupted,
        _ => SocketError.ConnectionReset,
    };

    private static int Checked(int result) =>
        result >= 0 ? result : throw new IOException($"The system refuses (errno {Marshal.GetLastPInvokeError()}).");

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ReceiveMessage(SafeSocketHandle socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SendMessage(SafeSocketHandle socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NewEvent(uint count, int flags);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int NewMemory(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "poll")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Poll(PollEntry* entries, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "write")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Write(SafeFileHandle file, byte* bytes, nuint count);

    // struct iovec
    private struct Vector
    {
        public byte* Base;
        public nuint Length;
    }

    // struct msghdr
    private struct Message
    {
        public byte* Name;
        public uint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }

    // struct cmsghdr
    private struct ControlHeader
    {
        public nuint Length;
        public int Level;
        public int Type;
    }

    // struct pollfd
    private struct PollEntry
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }
}
