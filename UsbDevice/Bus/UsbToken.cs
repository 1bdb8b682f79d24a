using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The token packet that opens a transaction, with the SPLIT packet that may stand before it.</summary>
/// <param name="Pid">SETUP, OUT, IN or PING.</param>
/// <param name="Address">The device, 0 to 127.</param>
/// <param name="Endpoint">The endpoint, 0 to 15; the token decides its direction.</param>
public readonly record struct UsbToken(UsbPid Pid, byte Address, byte Endpoint)
{
    /// <summary>Which transaction translator shall do this for the host, and which half of it; <c>default</c> where the device itself is spoken to.</summary>
    public SplitToken Split { get; init; }

    /// <summary>Whether the token is for a transaction translator.</summary>
    public bool IsSplit => Split.Pid == UsbPid.Split;

    /// <summary>Which of the streams of a SuperSpeed bulk endpoint is meant, from 1 on; 0 for an endpoint without streams.</summary>
    public ushort Stream { get; init; }
}
