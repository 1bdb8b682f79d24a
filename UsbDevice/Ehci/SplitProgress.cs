namespace Dma.UsbDevice;

/// <summary>Whether the complete-splits of a periodic transaction were done one after the other (EHCI, tracking split transaction progress).</summary>
internal static class SplitProgress
{
    /// <summary>Whether the microframe before was either no complete-split, or one that was done.</summary>
    /// <param name="completeMask">C-mask.</param>
    /// <param name="progress">C-prog-mask.</param>
    /// <param name="microframeBit">The bit of the current microframe; before the first comes the last.</param>
    public static bool IsInOrder(byte completeMask, byte progress, byte microframeBit)
    {
        byte previous = byte.RotateRight(microframeBit, 1);
        return (completeMask & previous & ~progress) == 0;
    }
}
