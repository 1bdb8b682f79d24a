namespace Dma.UsbDevice.Spec;

/// <summary>bCharFormat (USB CDC PSTN, line coding).</summary>
public enum StopBits : byte
{
    /// <summary>1.</summary>
    One = 0,

    /// <summary>1.5.</summary>
    OneAndHalf = 1,

    /// <summary>2.</summary>
    Two = 2,
}
