namespace Dma.Machine;

/// <summary>Access control services of a root port or a downstream port of a switch: which requests from below it lets through (PCI Express base, 6.12 and 7.7.7).</summary>
/// <remarks>
/// Requests of this machine never go from one device to another without passing the root, so that the bits for peers
/// change nothing; they read back, since software looks at them to tell which devices it can keep apart.
/// </remarks>
/// <param name="supported">What the port can check.</param>
public sealed class AccessControlCapability(AccessControls supported = AccessControls.Usual)
    : PciExtendedCapability(PciExtendedCapabilityId.AccessControl, version: 1, length: 8)
{
    private const int Capability = 0x04;
    private const int Control = 0x06;

    /// <summary>What software turned on.</summary>
    public AccessControls Enabled => (AccessControls)this[Control];

    /// <inheritdoc/>
    protected internal override IEnumerable<Register> Registers =>
    [
        new(Capability, 2, "ACSCAP", new((ulong)supported)),
        new(Control, 2, "ACSCTL", new(0, Writable: (ulong)supported)),
    ];

    /// <inheritdoc/>
    protected internal override void Written(in RegisterWrite write)
    {
        if (write.Offset == Control)
            Function.Refresh();
    }
}
