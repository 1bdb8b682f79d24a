namespace Dma.UsbDevice.Spec;

/// <summary>Packet identifiers, as the byte that travels: the type in bits 3:0, its complement above (USB 2.0, packet identifier field).</summary>
public enum UsbPid : byte
{
    /// <summary>No packet at all: nobody answered, or what came made no sense.</summary>
    None = 0,

    /// <summary>OUT: data from the host follows.</summary>
    Out = 0xE1,

    /// <summary>IN: the device shall send.</summary>
    In = 0x69,

    /// <summary>SOF: a frame or microframe begins.</summary>
    StartOfFrame = 0xA5,

    /// <summary>SETUP: the eight bytes of a request follow.</summary>
    Setup = 0x2D,

    /// <summary>DATA0.</summary>
    Data0 = 0xC3,

    /// <summary>DATA1.</summary>
    Data1 = 0x4B,

    /// <summary>DATA2, high-bandwidth isochronous only.</summary>
    Data2 = 0x87,

    /// <summary>MDATA, splits and high-bandwidth isochronous only.</summary>
    DataM = 0x0F,

    /// <summary>ACK: received, or ready to receive.</summary>
    Ack = 0xD2,

    /// <summary>NAK: not now.</summary>
    Nak = 0x5A,

    /// <summary>STALL: the endpoint is halted, or the request is not supported.</summary>
    Stall = 0x1E,

    /// <summary>NYET: received, but not ready for more; for a complete-split, not finished yet.</summary>
    Nyet = 0x96,

    /// <summary>PING: could the endpoint take data now?</summary>
    Ping = 0xB4,

    /// <summary>SPLIT: the token is for a transaction translator.</summary>
    Split = 0x78,

    /// <summary>ERR from a transaction translator; on a full-speed bus the same byte is PRE.</summary>
    Error = 0x3C,
}
