using Dma.UsbDevice.Spec;

namespace Dma.Properties;

/// <summary>What a device answers to one token.</summary>
/// <param name="Pid">Data of any kind as <see cref="UsbPid.Data0"/>, a handshake, or <see cref="UsbPid.None"/> for silence.</param>
/// <param name="Bytes">How much data it sends at most; less than what was asked for is a short packet.</param>
internal readonly record struct DeviceAnswer(UsbPid Pid, int Bytes = 0)
{
    public static DeviceAnswer Nak => new(UsbPid.Nak);

    public static DeviceAnswer Stall => new(UsbPid.Stall);

    public static DeviceAnswer Silence => new(UsbPid.None);

    /// <summary>Takes what comes; or sends so much.</summary>
    public static DeviceAnswer Data(int bytes) => new(UsbPid.Data0, bytes);
}
