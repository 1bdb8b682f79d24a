using System.Diagnostics.CodeAnalysis;

namespace Dma.Machine;

/// <summary>What a file of the host is.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Links">How many names it has.</param>
/// <param name="Modified">When its content changed last, in nanoseconds of the host's own count.</param>
public readonly record struct FileStatus(FileKind Kind, ulong Length, uint Links, ulong Modified);

/// <summary>The kinds of files that are told apart, by the numbers of the system.</summary>
[SuppressMessage("Design", "CA1027", Justification = "The values are numbers of the system, not flags.")]
public enum FileKind
{
    /// <summary>A link, a pipe, a device or something else.</summary>
    Other = 0,

    /// <summary>A directory.</summary>
    Directory = 0x4000,

    /// <summary>An ordinary file.</summary>
    File = 0x8000,
}
