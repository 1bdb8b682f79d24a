using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What a device put on the bus after a token: a handshake, data, or nothing.</summary>
public readonly record struct UsbReply
{
    private UsbReply(UsbPid pid, int length) => (Pid, Length) = (pid, length);

    /// <summary>Nobody answered. <c>default</c> is the same: silence never passes for success.</summary>
    public static UsbReply Silence => default;

    /// <summary>ACK.</summary>
    public static UsbReply Ack => new(UsbPid.Ack, 0);

    /// <summary>NAK.</summary>
    public static UsbReply Nak => new(UsbPid.Nak, 0);

    /// <summary>STALL.</summary>
    public static UsbReply Stall => new(UsbPid.Stall, 0);

    /// <summary>NYET.</summary>
    public static UsbReply Nyet => new(UsbPid.Nyet, 0);

    /// <summary>ERR of a transaction translator.</summary>
    public static UsbReply Error => new(UsbPid.Error, 0);

    /// <summary>What came.</summary>
    public UsbPid Pid { get; }

    /// <summary>Bytes of data, where data came.</summary>
    public int Length { get; }

    /// <summary>Whether data came.</summary>
    public bool IsData => Pid is UsbPid.Data0 or UsbPid.Data1 or UsbPid.Data2 or UsbPid.DataM;

    /// <summary>A data packet.</summary>
    /// <param name="pid">One of the four data packet identifiers.</param>
    /// <param name="length">Bytes that the device wrote into the buffer it was given.</param>
    public static UsbReply Data(UsbPid pid, int length) => new(pid, length);

    /// <summary>A data packet of a transfer whose packets alternate.</summary>
    /// <param name="toggle">Whether it is DATA1.</param>
    /// <param name="length">Bytes that the device wrote into the buffer it was given.</param>
    public static UsbReply Data(bool toggle, int length) => new(toggle ? UsbPid.Data1 : UsbPid.Data0, length);
}
