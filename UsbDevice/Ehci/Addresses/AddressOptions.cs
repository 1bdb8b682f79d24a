namespace Dma.UsbDevice;

/// <summary>How a shared controller replaces device addresses.</summary>
/// <remarks>The steps that can be left out show what they are there for: a controller without them mixes up the devices of its sets.</remarks>
public sealed record AddressOptions
{
    /// <summary>Whether addresses are replaced at all; where not, devices of different sets may have the same one.</summary>
    public bool IsOn { get; init; } = true;

    /// <summary>Who chooses addresses, and how.</summary>
    public AddressAssignment Assignment { get; init; }

    /// <summary>How many devices a register set may have at a time, 1 to 127.</summary>
    public int AddressesMax { get; init; } = UsbBus.AddressCount - 1;

    /// <summary>How long a set may have address 0 while others wait for it, in nanoseconds.</summary>
    public ulong AddressZeroNsMax { get; init; } = 1_000_000_000;

    /// <summary>Whether SET_ADDRESS tells a device the address that it has on the bus; where not, it takes the one that its driver chose.</summary>
    public bool RewritesSetup { get; init; } = true;

    /// <summary>Whether one set at a time has address 0; where not, devices of several sets answer to it at the same time.</summary>
    public bool GuardsAddressZero { get; init; } = true;

    /// <summary>Whether the addresses behind a root port are free again once nothing passes it any more; where not, they stay taken for devices that are gone.</summary>
    public bool FreesAddresses { get; init; } = true;

    /// <summary>Whether the address of the hub in a split transaction is replaced too.</summary>
    public bool ReplacesHubs { get; init; } = true;
}
