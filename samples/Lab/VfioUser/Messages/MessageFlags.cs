namespace Dma.Lab;

/// <summary>The flags of a message (vfio-user, header).</summary>
[Flags]
internal enum MessageFlags : uint
{
    /// <summary>A command that wants a reply.</summary>
    None = 0,

    /// <summary>The value 1 of the type in bits 3:0: it answers a command.</summary>
    Reply = 1,

    /// <summary>Bits 3:0, the type.</summary>
    TypeMask = 0xF,

    /// <summary>Bit 4: nobody waits for a reply.</summary>
    NoReply = 1 << 4,

    /// <summary>Bit 5, of a reply: the command was not carried out, and the error number says why.</summary>
    Error = 1 << 5,
}
