using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The token packet that opens a transaction.</summary>
/// <param name="Pid">SETUP, OUT, IN or PING.</param>
/// <param name="Address">The device, 0 to 127.</param>
/// <param name="Endpoint">The endpoint, 0 to 15; the token decides its direction.</param>
public readonly record struct UsbToken(UsbPid Pid, byte Address, byte Endpoint)
{
    /// <summary>Which of the streams of a SuperSpeed bulk endpoint is meant, from 1 on; 0 for an endpoint without streams.</summary>
    public ushort Stream { get; init; }
}
