using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>One endpoint of a device, other than endpoint 0, in the configuration that is active.</summary>
/// <param name="descriptor">What it is.</param>
public sealed class DeviceEndpoint(EndpointDescriptor descriptor)
{
    /// <summary>What it is.</summary>
    public EndpointDescriptor Descriptor => descriptor;

    /// <summary>Its number with the direction in bit 7.</summary>
    public byte Address { get; } = descriptor.Address;

    /// <summary>Whether it sends to the host.</summary>
    public bool IsIn { get; } = descriptor.In;

    /// <summary>Control, isochronous, bulk or interrupt.</summary>
    public TransferType TransferType { get; } = descriptor.TransferType;

    /// <summary>Bytes in a full packet.</summary>
    public int MaxPacketSize { get; } = descriptor.MaxPacketSize;

    /// <summary>Whether it answers STALL until the host clears the halt.</summary>
    public bool IsHalted { get; internal set; }

    /// <summary>Whether DATA1 is next.</summary>
    public bool Toggle { get; internal set; }

    /// <summary>The stream that the token at hand names; 0 where it names none.</summary>
    public ushort Stream { get; internal set; }
}
