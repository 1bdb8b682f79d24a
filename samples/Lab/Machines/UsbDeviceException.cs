namespace Dma.Lab;

/// <summary>A USB device that a person named cannot be had; the message says why.</summary>
internal sealed class UsbDeviceException : Exception
{
    /// <summary>With a reason.</summary>
    public UsbDeviceException(string message)
        : base(message)
    {
    }

    /// <summary>With a reason, and what was thrown.</summary>
    public UsbDeviceException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Without a reason.</summary>
    public UsbDeviceException()
    {
    }
}
