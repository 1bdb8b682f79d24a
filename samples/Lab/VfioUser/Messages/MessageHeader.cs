using System.Runtime.InteropServices;

namespace Dma.Lab;

/// <summary>The first 16 bytes of each message (vfio-user, header).</summary>
/// <param name="Id">Chosen by who sends a command, and repeated in the reply.</param>
/// <param name="Command">What it asks for, or what it answers.</param>
/// <param name="Size">Bytes of the whole message, this header included.</param>
/// <param name="Flags">Command or reply, and whether one is wanted.</param>
/// <param name="Error">Of a reply with an error: its number.</param>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly record struct MessageHeader(ushort Id, VfioUserCommand Command, uint Size, MessageFlags Flags, ErrorNumber Error)
{
    /// <summary>Bytes in a header.</summary>
    public const int Bytes = 16;

    /// <summary>Whether it answers a command.</summary>
    public bool IsReply => (Flags & MessageFlags.TypeMask) == MessageFlags.Reply;

    /// <summary>Whether it is a command.</summary>
    public bool IsCommand => (Flags & MessageFlags.TypeMask) == MessageFlags.None;

    /// <summary>Whether who sent it waits for a reply.</summary>
    public bool WantsReply => (Flags & MessageFlags.NoReply) == 0;
}
