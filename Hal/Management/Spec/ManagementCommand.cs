using System.Diagnostics.CodeAnalysis;

namespace Dma.Hal.Spec;

/// <summary>What a slot asks for (management device, commands); bits 7:4 name the mode that must be on, 0 files to 3 calculation.</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are codes, not flags.")]
public enum ManagementCommand
{
    /// <summary>Opens the file that the input names; argument <see cref="ManagementOpenFlags"/>. Value: its length; source: its handle.</summary>
    OpenFile = 0x00,

    /// <summary>Reads from an offset into the output, fewer bytes at the end of the file.</summary>
    ReadFile = 0x01,

    /// <summary>Writes the input at an offset.</summary>
    WriteFile = 0x02,

    /// <summary>Closes a handle.</summary>
    CloseFile = 0x03,

    /// <summary>Removes the file that the input names.</summary>
    RemoveFile = 0x04,

    /// <summary>Writes the name of the entry whose number is the argument into the output, of the directory that the input names, or of the folder itself where it is empty. Value: the length of the file, all ones for a directory.</summary>
    ListFiles = 0x05,

    /// <summary>Tells the VMM what the guest needs: the input is a <see cref="ManagementDemand"/>.</summary>
    Report = 0x10,

    /// <summary>Writes the <see cref="ManagementStatistics"/> of a participant into the output; destination 0 is the caller itself.</summary>
    Query = 0x11,

    /// <summary>Publishes the name in the input, so that others find the caller by it.</summary>
    Publish = 0x20,

    /// <summary>Takes the name in the input back.</summary>
    Withdraw = 0x21,

    /// <summary>Value: the participant that published the name in the input.</summary>
    Find = 0x22,

    /// <summary>Sends the input to a participant, 0 for the host; finishes when it was received.</summary>
    Send = 0x23,

    /// <summary>Waits for a message and writes it into the output. Source: from whom.</summary>
    Receive = 0x24,

    /// <summary>Output: four bytes, the CRC-32C of the input.</summary>
    Crc32C = 0x30,

    /// <summary>Output: 32 bytes, the SHA-256 of the input.</summary>
    Sha256 = 0x31,

    /// <summary>Output: the quadwords of the input in ascending order.</summary>
    Sort = 0x32,
}
