namespace Dma.UsbDevice.Spec;

/// <summary>Bits 9:8 of a qTD token: which token opens the transaction (EHCI, qTD token).</summary>
public enum PacketId
{
    /// <summary>OUT.</summary>
    Out = 0,

    /// <summary>IN.</summary>
    In = 1,

    /// <summary>SETUP.</summary>
    Setup = 2,
}
