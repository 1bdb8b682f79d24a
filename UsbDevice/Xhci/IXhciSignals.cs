namespace Dma.UsbDevice;

/// <summary>How the controller reaches the processor: messages, a level, and an error line.</summary>
internal interface IXhciSignals
{
    /// <summary>Whether messages are on; then IP of an interrupter falls as its message goes out.</summary>
    bool UsesMessages { get; }

    /// <summary>Sends the message of an interrupter.</summary>
    void Send(int interrupter);

    /// <summary>Whether the line of interrupter 0 is asserted.</summary>
    void SetLevel(bool isAsserted);

    /// <summary>A host system error, where software wants to be told apart from all rings.</summary>
    void SignalSystemError();
}
