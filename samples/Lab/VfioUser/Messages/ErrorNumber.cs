namespace Dma.Lab;

/// <summary>Why a command was not carried out: the numbers that Linux has for it.</summary>
internal enum ErrorNumber
{
    /// <summary>It was carried out.</summary>
    None = 0,

    /// <summary>ENOENT: nothing like that is mapped.</summary>
    NotFound = 2,

    /// <summary>ENOMEM: there is no room for the tables that it needs.</summary>
    NoMemory = 12,

    /// <summary>EACCES: the descriptor is not open for what is asked.</summary>
    NoAccess = 13,

    /// <summary>EEXIST: something is mapped there already.</summary>
    Exists = 17,

    /// <summary>EINVAL: it has no meaning.</summary>
    Invalid = 22,

    /// <summary>ENOSPC: there are as many as there can be.</summary>
    NoSpace = 28,

    /// <summary>ENOSYS: no command has that number.</summary>
    UnknownCommand = 38,

    /// <summary>ENOTSUP: it has a meaning, and is not offered here.</summary>
    NotSupported = 95,
}
