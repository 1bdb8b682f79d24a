namespace Dma.UsbDevice;

/// <summary>Whose an address on a shared bus is.</summary>
/// <param name="State">How far it is.</param>
/// <param name="Set">The register set whose device has it, from 0 on; 0 while it is free.</param>
/// <param name="Virtual">The address that the driver of that set knows the device by, 1 to 127; 0 while it is free.</param>
public readonly record struct AddressEntry(AddressState State, int Set, byte Virtual);
