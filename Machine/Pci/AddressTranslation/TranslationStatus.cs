namespace Dma.Machine;

/// <summary>How a translation request completes.</summary>
public enum TranslationStatus
{
    /// <summary>Never asked.</summary>
    None = 0,

    /// <summary>With an answer, which may grant nothing.</summary>
    Success,

    /// <summary>Unsupported request: the device may not ask.</summary>
    UnsupportedRequest,

    /// <summary>Completer abort: the tables are broken.</summary>
    CompleterAbort,
}
