using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Several packets in one microframe: the identifier of each says how many still follow (USB 2.0, high-bandwidth endpoints).</summary>
internal static class HighBandwidth
{
    /// <summary>How many packets of an IN still follow in the microframe: DATA2 says two, DATA1 one, DATA0 none; -1 for what says nothing.</summary>
    public static int Following(UsbPid pid) => pid switch
    {
        UsbPid.Data0 => 0,
        UsbPid.Data1 => 1,
        UsbPid.Data2 => 2,
        _ => -1,
    };
}
