namespace Dma.Devices;

/// <summary>The status register of a <see cref="PagingDevice"/>.</summary>
public enum PagingOutcome
{
    /// <summary>Nothing was asked for since power-on.</summary>
    Idle = 0,

    /// <summary>A command runs.</summary>
    Busy = 1,

    /// <summary>All bytes moved, or the end of the list was reached.</summary>
    Done = 2,

    /// <summary>The command means nothing, or its bytes do not fit into the buffer.</summary>
    BadCommand = 3,

    /// <summary>Translations are refused, or a translated access is.</summary>
    Refused = 4,

    /// <summary>A page is missing, and the device may not ask for it now.</summary>
    CannotAsk = 5,

    /// <summary>The system answered that a page cannot be had.</summary>
    InvalidRequest = 6,

    /// <summary>The system answered by a failure, or the interface was reset.</summary>
    Failure = 7,

    /// <summary>An access was refused again and again: the page was promised, or a translation that led nowhere.</summary>
    TooManyRetries = 8,

    /// <summary>No answer came in time.</summary>
    NoAnswer = 9,
}
