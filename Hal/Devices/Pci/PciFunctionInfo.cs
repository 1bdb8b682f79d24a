using Dma.Machine;

namespace Dma.Hal;

/// <summary>A function as it is found on a bus.</summary>
/// <param name="Location">Where.</param>
/// <param name="VendorId">Its maker.</param>
/// <param name="DeviceId">The maker's number for it.</param>
/// <param name="ClassCode">24 bits: base class, subclass, programming interface.</param>
/// <param name="IsBridge">Whether another bus lies behind it.</param>
/// <param name="SecondaryBus">That bus; 0 where it has no number yet, or there is none.</param>
public readonly record struct PciFunctionInfo(
    SourceId Location, ushort VendorId, ushort DeviceId, uint ClassCode, bool IsBridge, byte SecondaryBus);
