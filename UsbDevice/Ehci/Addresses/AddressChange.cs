namespace Dma.UsbDevice;

/// <summary>An address on a shared bus got another state.</summary>
/// <param name="Real">The address on the bus, 1 to 127.</param>
/// <param name="Entry">Whose it is now; the last owner's where it became free.</param>
public readonly record struct AddressChange(byte Real, AddressEntry Entry);
