namespace Dma.UsbDevice;

/// <summary>The descriptors of a device, each as it was read from the original.</summary>
/// <param name="Device">The device descriptor.</param>
internal sealed record DescriptorBytes(byte[] Device)
{
    /// <summary>The device qualifier, or null.</summary>
    public byte[]? Qualifier { get; init; }

    /// <summary>Each configuration with all that belongs to it.</summary>
    public IReadOnlyList<byte[]> Configurations { get; init; } = [];

    /// <summary>The same at the other speed.</summary>
    public IReadOnlyList<byte[]> OtherSpeed { get; init; } = [];

    /// <summary>String descriptors by index, where index 0 is the list of languages; null where one is not known.</summary>
    public IReadOnlyList<byte[]?> Strings { get; init; } = [];

    /// <summary>The capabilities of the device with their head, or null.</summary>
    public byte[]? ObjectStore { get; init; }
}
