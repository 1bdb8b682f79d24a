using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;

namespace Dma.Lab;

/// <summary>Opens the Unix socket that a person names, or says in a sentence why it cannot be.</summary>
internal static class QtestSocket
{
    private const int Backlog = 64;

    /// <summary>Listens at a path; a socket that somebody left there is replaced, anything else is not.</summary>
    /// <param name="path">As typed.</param>
    /// <param name="listener">The socket; the path goes when it is closed.</param>
    /// <param name="problem">Why there is none; empty where there is one.</param>
    public static bool TryListen(string path, [NotNullWhen(true)] out Socket? listener, out string problem)
    {
        listener = null;
        if (!TryName(path, out UnixDomainSocketEndPoint? name, out problem))
            return false;
        Socket socket = Create();
        try
        {
            if (Path.Exists(path))
            {
                problem = WhatIsAt(path, name);
                if (problem.Length != 0)
                    return false;
                File.Delete(path);
            }

            socket.Bind(name);
            socket.Listen(Backlog);
            listener = socket;
        }
        catch (Exception refusal) when (refusal is SocketException or IOException or UnauthorizedAccessException)
        {
            problem = $"Nothing can listen at '{path}': {Reason(path, refusal)}.";
        }
        finally
        {
            if (listener is null)
                socket.Dispose();
        }

        return listener is not null;
    }

    /// <summary>Connects to a socket that somebody listens on.</summary>
    /// <param name="path">As typed.</param>
    /// <param name="connection">The socket.</param>
    /// <param name="problem">Why there is none; empty where there is one.</param>
    public static bool TryConnect(string path, [NotNullWhen(true)] out Socket? connection, out string problem)
    {
        connection = null;
        if (!TryName(path, out UnixDomainSocketEndPoint? name, out problem))
            return false;
        Socket socket = Create();
        try
        {
            socket.Connect(name);
            connection = socket;
        }
        catch (SocketException refusal)
        {
            socket.Dispose();
            problem = $"Nobody can be reached at '{path}': {Reason(path, refusal)}.";
        }

        return connection is not null;
    }

    // The name of an error of sockets says little where it is the directory that is missing, or nobody who is there.
    private static string Reason(string path, Exception refusal) => (refusal as SocketException)?.SocketErrorCode switch
    {
        SocketError.AddressNotAvailable when !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))) => "there is no such directory",
        SocketError.AddressNotAvailable => "there is no such socket",
        SocketError.ConnectionRefused => "nobody listens there",
        _ => refusal.Message.TrimEnd('.'),
    };

    private static Socket Create() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    private static bool TryName(string path, [NotNullWhen(true)] out UnixDomainSocketEndPoint? name, out string problem)
    {
        name = null;
        problem = "";
        try
        {
            name = new(path);
        }
        catch (ArgumentException)
        {
            problem = path.Length == 0 ? "A socket needs a path." : $"The path '{path}' is too long for a socket.";
        }

        return name is not null;
    }

    // What keeps the path from being taken; nothing where it is a socket that nobody listens on any more.
    private static string WhatIsAt(string path, UnixDomainSocketEndPoint name)
    {
        if (Directory.Exists(path))
            return $"'{path}' is a directory.";
        try
        {
            // A socket is the one thing that cannot be opened.
            using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return $"'{path}' is there already, and is no socket.";
        }
        catch (IOException)
        {
            using Socket probe = Create();
            try
            {
                probe.Connect(name);
                return $"Somebody listens at '{path}' already.";
            }
            catch (SocketException)
            {
                return "";
            }
        }
    }
}
