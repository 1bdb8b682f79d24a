using Dma.Machine;

namespace Dma.Hal;

/// <summary>The ATS capability of a device, as software turns it on and off (PCI Express, ATS, extended capability).</summary>
/// <remarks>
/// Whoever turns it on trusts the device: while it is on, the device says which addresses of its requests were translated,
/// and nothing checks that.
/// </remarks>
public sealed class DeviceTlbControl
{
    private const int Capability = 0x04;
    private const int Control = 0x06;
    private const int Length = 0x08;
    private const ushort Enabled = 1 << 15;
    private const int DepthMask = 0x1F;

    private readonly IConfigurationAccess _space;
    private readonly int _at;

    private DeviceTlbControl(IConfigurationAccess space, int at)
    {
        _space = space;
        _at = at;
        int depth = space.Read16(at + Capability) & DepthMask;
        QueueDepth = depth == 0 ? AtsCapability.QueueDepthMax : depth;
    }

    /// <summary>How many invalidations the device takes at a time, 1 to 32.</summary>
    public int QueueDepth { get; }

    /// <summary>Whether it is on, as far as software turned it on.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>The capability of a device; null where it has none.</summary>
    /// <param name="configuration">Its configuration space.</param>
    /// <param name="location">Where it is.</param>
    /// <exception cref="DeviceException">Its list of capabilities is malformed.</exception>
    public static DeviceTlbControl? TryFind(IConfigurationAccess configuration, SourceId location)
    {
        int at = PciExtendedCapabilityList.Find(configuration, location, PciExtendedCapabilityId.AddressTranslation);
        return at is 0 or > PciOffset.End - Length ? null : new(configuration, at);
    }

    /// <summary>Turns it on again where a reset of the device turned it off.</summary>
    public void Restore()
    {
        if (IsEnabled)
            Enable();
    }

    /// <summary>Turns it on. Translations of 4 KiB and more are good for the device: STU is 0.</summary>
    internal void Enable()
    {
        IsEnabled = true;
        _space.Write16(_at + Control, Enabled);
    }

    /// <summary>Turns it off: the device forgets its translations, and sends no translated request any more.</summary>
    internal void Disable()
    {
        IsEnabled = false;
        _space.Write16(_at + Control, 0);
    }
}
