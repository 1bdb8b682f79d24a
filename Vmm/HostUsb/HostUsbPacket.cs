namespace Dma.Vmm;

/// <summary>One packet of an isochronous transfer of the host's USB stack.</summary>
/// <param name="Offset">Where in the buffer it begins.</param>
/// <param name="Length">Bytes to send, or room for what comes.</param>
public record struct HostUsbPacket(int Offset, int Length)
{
    /// <summary>How it went; <see cref="HostUsbStatus.None"/> where its interval passed without it.</summary>
    public HostUsbStatus Status { get; set; }

    /// <summary>Bytes that were moved.</summary>
    public int Moved { get; set; }
}
