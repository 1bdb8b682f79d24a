namespace Dma.Devices;

/// <summary>What an <see cref="AtsDevice"/> does when it is written into its command register.</summary>
public enum AtsCommand
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Reads memory into the buffer, by its own translations while ATS is on.</summary>
    Read,

    /// <summary>Writes the buffer into memory, by its own translations while ATS is on.</summary>
    Write,

    /// <summary>Asks for a translation, for reading and writing, and keeps it.</summary>
    Translate,

    /// <summary>Reads as <see cref="Read"/> with an address that it says is translated: it asks nobody, whether ATS is on or not.</summary>
    ForgedRead,

    /// <summary>Writes as <see cref="Write"/> with an address that it says is translated: it asks nobody, whether ATS is on or not.</summary>
    ForgedWrite,

    /// <summary>Begins a transfer to memory, with the translation that it has or asks for now.</summary>
    Begin,

    /// <summary>Writes the buffer by the transfer that was begun, and ends it.</summary>
    End,
}
