namespace Dma.UsbDevice;

/// <summary>What became of a visit to one structure of a schedule.</summary>
internal enum VisitOutcome
{
    /// <summary>Never made.</summary>
    None = 0,

    /// <summary>There was nothing to do.</summary>
    Skipped,

    /// <summary>Transactions took place.</summary>
    Transacted,

    /// <summary>The next transaction would not end within the microframe; nothing was done.</summary>
    NoTime,

    /// <summary>The list is at its end, or was found empty.</summary>
    End,

    /// <summary>The bus failed: host system error.</summary>
    Fault,
}
